'use strict';

const element = (id) => document.getElementById(id);
const say = (text) => { element('status').textContent = text; };

async function ask(method, path, body) {
  const answer = await fetch(path, {
    method,
    headers: body ? { 'content-type': 'application/json' } : {},
    body: body && JSON.stringify(body),
  });
  if (answer.status === 204) return undefined;
  const json = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(json.error?.message ?? answer.statusText), { status: answer.status });
  return json;
}

function show(me) {
  say(`Logged in as ${me.subject}`);
  element('roles').textContent = me.roles.join(', ') || 'none';
  element('desks').textContent = me.desks.join(', ') || 'none';
  element('wallets').replaceChildren(...me.wallets.map((wallet) => {
    const item = document.createElement('li');
    item.textContent = wallet;
    return item;
  }));
  element('known').hidden = false;
  element('anonymous').hidden = true;
}

async function refresh() {
  try {
    show(await ask('GET', '/auth/me'));
  } catch (error) {
    say(error.status === 401 ? 'You are not logged in.' : error.message);
    element('anonymous').hidden = false;
    element('known').hidden = true;
  }
}

async function link() {
  if (!window.ethereum) return say('No wallet was found in this browser.');
  const [address] = await window.ethereum.request({ method: 'eth_requestAccounts' });
  const { message } = await ask('POST', '/wallets/challenge', { address });
  const signature = await window.ethereum.request({ method: 'personal_sign', params: [message, address] });
  await ask('POST', '/wallets', { message, signature });
  return refresh();
}

async function logout() {
  await ask('POST', '/auth/logout');
  return refresh();
}

const guarded = (action) => () => action().catch((error) => say(error.message));
element('link').addEventListener('click', guarded(link));
element('logout').addEventListener('click', guarded(logout));
refresh();
