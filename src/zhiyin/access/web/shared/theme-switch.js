// The light/dark switch. initial-theme.js has already set the right theme on <html>.

import { saveSetting } from './storage.js';

const system = matchMedia('(prefers-color-scheme: dark)');

/** Toggles the theme; a choice equal to the system's is not stored, so that the page follows it. */
function toggle() {
  const root = document.documentElement;
  const next = root.dataset.theme === 'dark' ? 'light' : 'dark';
  const followsSystem = next === (system.matches ? 'dark' : 'light');
  saveSetting('theme', followsSystem ? null : next);
  root.dataset.theme = next;
}

export function bindThemeSwitch(button) {
  button.addEventListener('click', toggle);
}
