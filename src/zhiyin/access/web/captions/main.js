// Entry of the caption view of a room: for projectors, and as a browser source over a picture.

import { Connection } from '../shared/connection.js';
import { byId, show } from '../shared/dom.js';
import {
  onLanguageChange, render, serverMessageName, setMessage, setText, switchLanguage, t,
} from '../shared/i18n.js';
import { bindAppearance, showControls } from './appearance.js';
import { CaptionLines } from './caption-lines.js';
import { isRoomName, socketPath, tokenProtocols } from './rooms.js';

const room = lastPart(window.location.pathname);
const lines = new CaptionLines(byId('lines'), byId('spoken'));

function lastPart(path) {
  try {
    return decodeURIComponent(path.split('/').pop());
  } catch {
    return '';
  }
}

function showProblem(title, detail, fields) {
  show(byId('trouble'));
  setMessage(byId('trouble-title'), title);
  setMessage(byId('trouble-detail'), detail, fields);
}

function setState(name) {
  if (name) setMessage(byId('state'), name, { room });
  else setText(byId('state'), '');
}

function rejected({ code, message }) {
  showProblem('captions.refused', serverMessageName(code), { message });
}

function received(message) {
  if (message.type === 'error') {
    rejected(message.error);
  } else if (message.type === 'history') {
    connection.resetBackoff();
    show(byId('trouble'), false);
    lines.replay(message.captions);
    setState(lines.isEmpty ? 'captions.waiting' : null);
  } else if (message.type === 'caption') {
    lines.show(message);
    setState(null);
  } else if (message.type === 'end') {
    setState('captions.ended');
  }
}

/** A browser sends what follows the # nowhere; after the ? it is in the logs of proxies. */
function token() {
  const { hash, search } = window.location;
  return new URLSearchParams(hash.slice(1)).get('token') ?? new URLSearchParams(search).get('token');
}

let connection = null;

function connect() {
  setState('captions.connecting');
  connection = new Connection(socketPath(room, { role: 'viewer' }), {
    opened: () => {},
    message: received,
    lost: () => setState('captions.lost'),
  }, tokenProtocols(token()));
}

bindAppearance();
showControls();
byId('ui-language').addEventListener('click', switchLanguage);
onLanguageChange(() => { document.title = t('captions.title', { room }); });
render();
if (isRoomName(room)) connect();
else showProblem('captions.badRoom', 'captions.badRoomHint');
