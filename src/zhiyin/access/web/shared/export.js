// Takes text out of the page: to the clipboard and into files.

import { make } from './dom.js';
import { toBlob } from './formats.js';
import { say } from './i18n.js';
import { notify } from './notice.js';

const COPIED_FOR = 2000; // milliseconds

/** Has the browser save a result in one of the four formats. */
export function saveAs(stem, format, result) {
  const link = make('a', {
    href: URL.createObjectURL(toBlob(format, result)),
    download: `${stem}.${format}`,
  });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

/** The clipboard, or the old way on an insecure origin. */
async function toClipboard(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = make('textarea', { value: text, className: 'unseen' });
  document.body.append(area);
  area.select();
  const done = document.execCommand('copy');
  area.remove();
  if (!done) throw new Error('copy refused');
  return undefined;
}

export async function copyWith(button, text) {
  const name = button.dataset.label ??= button.dataset.i18n;
  try {
    await toClipboard(text);
  } catch {
    notify({ title: 'result.copyFailed' });
    return;
  }
  say(button, 'result.copied');
  setTimeout(() => say(button, name), COPIED_FOR);
}
