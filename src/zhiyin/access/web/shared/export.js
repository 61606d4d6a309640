// Exports text: to the clipboard and as downloaded files.

import { make } from './dom.js';
import { toBlob } from './formats.js';
import { setMessage } from './i18n.js';
import { notify } from './notice.js';

const CONFIRMATION_TIME = 2000; // milliseconds that a button shows "copied"

/** Downloads a result as a file in one of the four formats. */
export function downloadAs(stem, format, result) {
  const link = make('a', {
    href: URL.createObjectURL(toBlob(format, result)),
    download: `${stem}.${format}`,
  });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

/** Writes to the clipboard; on an insecure origin, where there is no such API, by execCommand. */
async function writeClipboard(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = make('textarea', { value: text, className: 'unseen' });
  document.body.append(area);
  area.select();
  const done = document.execCommand('copy');
  area.remove();
  if (!done) throw new Error('copy refused');
  return undefined;
}

/** Copies text, and confirms that on the button that was pressed. */
export async function copyToClipboard(button, text) {
  const name = button.dataset.label ??= button.dataset.i18n;
  try {
    await writeClipboard(text);
  } catch {
    notify({ title: 'result.copyFailed' });
    return;
  }
  setMessage(button, 'result.copied');
  setTimeout(() => setMessage(button, name), CONFIRMATION_TIME);
}
