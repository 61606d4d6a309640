// The light/dark switch. initial-theme.js has already put the right theme on <html>.

import { remember } from './storage.js';

const system = matchMedia('(prefers-color-scheme: dark)');

/** Flips the theme; a choice equal to the system's is forgotten, so the page follows it again. */
function flip() {
  const root = document.documentElement;
  const next = root.dataset.theme === 'dark' ? 'light' : 'dark';
  const followsSystem = next === (system.matches ? 'dark' : 'light');
  remember('theme', followsSystem ? null : next);
  root.dataset.theme = next;
}

export function bindTheme(button) {
  button.addEventListener('click', flip);
}
