// File input: files dropped anywhere on the page, or picked.

import { byId } from '../shared/dom.js';
import { setMessage } from '../shared/i18n.js';
import { notify } from '../shared/notice.js';

const input = byId('file');
const zone = byId('drop');

function setHover(hover) {
  zone.classList.toggle('over', hover);
  setMessage(byId('drop-title'), hover ? 'drop.active' : 'drop.title');
}

const isFolder = (item) => item.webkitGetAsEntry?.()?.isDirectory ?? false;

function dropped(transfer, onFile) {
  const files = [...transfer.files];
  const [file] = files;
  if (!file || [...transfer.items].some(isFolder)) {
    notify({ title: 'error.notFile', detail: { name: 'error.notFileHint' } });
    return;
  }
  onFile(file, files.length > 1);
}

function bindDrop(onFile) {
  document.addEventListener('dragover', (event) => {
    event.preventDefault();
    setHover(true);
  });
  document.addEventListener('dragleave', (event) => {
    if (!event.relatedTarget) setHover(false); // it left the window
  });
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    setHover(false);
    dropped(event.dataTransfer, onFile);
  });
}

/** onFile(file, several): several when more were dropped, of which only the first is used. */
export function bindFileInput(onFile) {
  byId('choose').addEventListener('click', () => input.click());
  zone.addEventListener('click', (event) => {
    if (!event.target.closest('button, input')) input.click();
  });
  input.addEventListener('change', () => {
    const [file] = input.files;
    input.value = ''; // so that the same file can be picked again
    if (file) onFile(file, false);
  });
  bindDrop(onFile);
}
