// Caption rooms: valid names, the addresses of a room, and its captions so far.

import { serverUrl } from '../shared/api.js';
import { Connection } from '../shared/connection.js';

const NAME = /^[A-Za-z0-9_-]{1,64}$/;

export const isRoomName = (name) => NAME.test(name);

/** The address of the page that shows a room's captions. */
export const captionsUrl = (room) => serverUrl(`captions/${room}`);

/** The path of a room's WebSocket, with those of the parameters that are set. */
export function socketPath(room, parameters) {
  const wanted = Object.entries({ room, ...parameters }).filter(([, value]) => value);
  return `ws/subtitle?${new URLSearchParams(Object.fromEntries(wanted))}`;
}

/** The subprotocols that carry a room's token: no proxy logs them, as it does addresses. */
export function tokenProtocols(token) {
  if (!token) return [];
  const bytes = String.fromCharCode(...new TextEncoder().encode(token));
  const text = btoa(bytes).replace(/\+/g, '-').replace(/\//g, '_').replace(/=/g, '');
  return ['captions', `captions-token.${text}`];
}

/** The final captions that a room keeps; none if the connection fails. */
export function fetchFinalCaptions(room) {
  return new Promise((resolve) => {
    const finish = (captions) => {
      connection.close();
      resolve(captions);
    };
    const connection = new Connection(socketPath(room, { role: 'viewer' }), {
      opened: () => {},
      message: ({ captions = [] }) => finish(captions),
      lost: () => finish([]),
    });
  });
}
