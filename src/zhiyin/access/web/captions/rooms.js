// Caption rooms: what they may be called, and where they are.

import { address } from '../shared/api.js';
import { Link } from '../shared/connection.js';

const NAME = /^[A-Za-z0-9_-]{1,64}$/;

export const isRoom = (name) => NAME.test(name);

/** The page that shows a room's captions. */
export const captionsAddress = (room) => address(`captions/${room}`);

/** The path of a room's socket, with those of the parameters that are set. */
export function roomPath(room, parameters) {
  const wanted = Object.entries({ room, ...parameters }).filter(([, value]) => value);
  return `ws/subtitle?${new URLSearchParams(Object.fromEntries(wanted))}`;
}

/** The final captions that a room keeps; none if it does not tell. */
export function saidIn(room) {
  return new Promise((resolve) => {
    const answer = (captions) => {
      link.close();
      resolve(captions);
    };
    const link = new Link(roomPath(room, { role: 'viewer' }), {
      opened: () => {},
      message: ({ captions = [] }) => answer(captions),
      lost: () => answer([]),
    });
  });
}
