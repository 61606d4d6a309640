// How captions look: from the address, changed by small controls, kept in the address.

import { byId } from '../shared/dom.js';

const SIZES = { least: 12, most: 300, step: 1.15 }; // pixels, and the factor of one press
const LINES = { least: 1, most: 20 };
const AWAKE = 4000; // milliseconds that the controls stay after the last movement
const GROUNDS = { dark: '#000000', light: '#ffffff' }; // behind text in the other shade

const root = document.documentElement;
const query = new URLSearchParams(window.location.search);
let sleeping = 0;

function within(text, { least, most }) {
  const number = Number(text);
  return text && Number.isFinite(number) ? Math.min(most, Math.max(least, number)) : null;
}

const theme = () => (query.get('theme') === 'light' ? 'light' : 'dark');

function ground() {
  const wanted = query.get('background') ?? '';
  return CSS.supports('background-color', wanted) ? wanted : 'transparent';
}

/** Sets a custom property, or leaves the style sheet's. */
function put(name, value) {
  if (value === null) root.style.removeProperty(name);
  else root.style.setProperty(name, value);
}

function apply() {
  const size = within(query.get('size'), SIZES);
  const color = query.get('color') ?? '';
  root.dataset.theme = theme();
  root.classList.toggle('solid', ground() !== 'transparent');
  put('--size', size && `${size}px`);
  put('--lines', within(query.get('lines'), LINES) && String(Math.round(within(query.get('lines'), LINES))));
  put('--letters', CSS.supports('color', color) ? color : null);
  put('--ground', ground());
}

function change(name, value) {
  if (value === null) query.delete(name);
  else query.set(name, value);
  window.history.replaceState(null, '', `?${query}`);
  apply();
}

function resize(factor) {
  const now = parseFloat(getComputedStyle(document.body).fontSize);
  change('size', Math.round(within(String(now * factor), SIZES)));
}

function addLines(more) {
  const now = Number(getComputedStyle(root).getPropertyValue('--lines'));
  change('lines', within(String(now + more), LINES));
}

function switchTheme() {
  const next = theme() === 'dark' ? 'light' : 'dark';
  query.delete('color');
  if (ground() !== 'transparent') query.set('background', GROUNDS[next]);
  change('theme', next);
}

function switchGround() {
  change('background', ground() === 'transparent' ? GROUNDS[theme()] : null);
}

/** Shows the controls for a while. */
export function wake() {
  root.classList.add('awake');
  clearTimeout(sleeping);
  sleeping = setTimeout(() => root.classList.remove('awake'), AWAKE);
}

export function bindLooks() {
  apply();
  const buttons = {
    smaller: () => resize(1 / SIZES.step),
    larger: () => resize(SIZES.step),
    fewer: () => addLines(-1),
    more: () => addLines(1),
    theme: switchTheme,
    ground: switchGround,
  };
  for (const [id, act] of Object.entries(buttons)) byId(id).addEventListener('click', act);
  for (const name of ['pointermove', 'pointerdown', 'keydown']) {
    document.addEventListener(name, wake);
  }
}
