// Code snippets ("use it from code") with this server's own address and the chosen model.

import { serverUrl } from '../shared/api.js';
import { byId } from '../shared/dom.js';
import { copyToClipboard } from '../shared/export.js';

const curl = () => `curl ${serverUrl('recognize')} -F file=@speech.mp3`;

const python = (model) => `from openai import OpenAI

client = OpenAI(base_url="${serverUrl('v1')}", api_key="none")
with open("speech.mp3", "rb") as speech:
    answer = client.audio.transcriptions.create(model="${model}", file=speech)
print(answer.text)`;

export function fillCodeSnippets(model) {
  byId('code-curl').textContent = curl();
  byId('code-python').textContent = python(model || 'whisper-1');
}

export function bindCodeSnippets() {
  for (const button of document.querySelectorAll('[data-copies]')) {
    const source = byId(button.dataset.copies);
    button.addEventListener('click', () => copyToClipboard(button, source.textContent));
  }
}
