// Elapsed time in a node, counted from now.

import { clock } from './formats.js';

/** Starts counting; returns the timer for clearInterval. */
export function startStopwatch(node) {
  const began = Date.now();
  const tick = () => { node.textContent = clock((Date.now() - began) / 1000); };
  tick();
  return setInterval(tick, 250);
}
