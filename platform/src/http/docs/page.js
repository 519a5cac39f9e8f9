'use strict';
// Shows /openapi.json and sends requests. Text from the document only ever becomes text, never markup.
const $ = (id) => document.getElementById(id);
const el = (tag, props = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children.filter((child) => child != null));
  return node;
};
const problems = JSON.parse($('problems').textContent);
let api = { paths: {} };
let operations = [];
// The operation on the page; none on that of the problems.
let shown;

const resolve = (thing) => {
  const path = thing?.$ref?.slice(2).split('/');
  return path ? resolve(path.reduce((node, key) => node?.[key], api)) : thing ?? {};
};
const choices = (schema) => (schema.oneOf ?? schema.anyOf ?? []).filter((one) => one.type !== 'null');
const typeOf = (schema) => {
  const given = schema?.$ref?.split('/').pop();
  const found = resolve(schema);
  if (found.type === 'array') return `${typeOf(found.items)}[]`;
  const plain = [found.type].flat().filter((one) => one && one !== 'null').join(' | ');
  return given ?? (choices(found).map(typeOf).join(' | ') || [plain || 'any', plain === 'string' && found.format].filter(Boolean).join(', '));
};
const exampleOf = (content) => {
  const first = Object.values(content ?? {})[0] ?? {};
  return first.example ?? Object.values(first.examples ?? {})[0]?.value;
};
// Text with `code` in it.
const prose = (text = '') => text.split('`').map((part, index) => (index % 2 ? el('code', {}, part) : part));
const sentence = (text = '') => text.replace(/\.$/, '');
const pretty = (value) => (value === undefined ? '' : JSON.stringify(value, null, 2));

function table(head, rows) {
  const cells = (tag, row) => el('tr', {}, ...row.map((cell) => el(tag, {}, ...[cell].flat())));
  return el('table', { className: head.at(-1).toLowerCase() }, el('thead', {}, cells('th', head)), el('tbody', {}, ...rows.map((row) => cells('td', row))));
}

// The fields of an object, and of the objects in it.
function rowsOf(schema, before = '', depth = 0) {
  const found = resolve(schema);
  const required = new Set(found.required ?? []);
  return Object.entries(found.properties ?? {}).flatMap(([name, field]) => {
    const own = resolve(field);
    const inner = own.type === 'array' ? own.items : choices(own)[0] ?? field;
    const place = before + name + (own.type === 'array' ? '[]' : '');
    const type = typeOf(field) + (required.has(name) ? ', required' : '');
    const row = [el('code', {}, before + name), type, prose(field.description ?? own.description)];
    return [row, ...(depth < 3 ? rowsOf(inner, `${place}.`, depth + 1) : [])];
  });
}

function fields(schema) {
  const rows = rowsOf(schema);
  return rows.length ? table(['Field', 'Type', 'Meaning'], rows) : null;
}

function request(operation, inputs, body) {
  let path = operation.path;
  const query = new URLSearchParams();
  const headers = {};
  for (const { parameter, input } of inputs) {
    const value = input.value.trim();
    if (parameter.in === 'path') path = path.replace(`{${parameter.name}}`, encodeURIComponent(value));
    else if (value && parameter.in === 'query') query.append(parameter.name, value);
    else if (value) headers[parameter.name] = value;
  }
  if (body) headers['Content-Type'] = Object.keys(operation.requestBody.content)[0];
  const url = location.origin + path + (query.size ? `?${query}` : '');
  return { url, options: { method: operation.method, headers, body: body?.value } };
}

function curl({ url, options }) {
  const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const headers = Object.entries(options.headers).map(([name, value]) => `-H ${quote(`${name}: ${value}`)}`);
  const body = options.body ? [`--data ${quote(options.body)}`] : [];
  return ['curl -i', `-X ${options.method}`, ...headers, ...body, quote(url)].join(' \\\n  ');
}

async function send(asked, into) {
  into.replaceChildren('Waiting …');
  try {
    const begun = performance.now();
    const response = await fetch(asked.url, asked.options);
    const text = await response.text();
    let shown = text;
    try { shown = pretty(JSON.parse(text)); } catch { /* Not JSON: shown as it is. */ }
    const headers = [...response.headers].map(([name, value]) => `${name}: ${value}`).join('\n');
    const title = `${response.status} ${response.statusText} in ${Math.round(performance.now() - begun)} ms`;
    into.replaceChildren(el('h4', { className: response.ok ? 'good' : 'bad' }, title), el('pre', {}, `${headers}\n\n${shown}`));
  } catch (error) {
    into.replaceChildren(el('p', { className: 'bad' }, `The request did not get through: ${error.message}. Does the server run?`));
  }
}

// A page that did not come over TLS or loopback has no clipboard; then the text can be copied by hand.
async function copyTo(into, text) {
  const copied = await navigator.clipboard?.writeText(text).then(() => true, () => false);
  into.replaceChildren(el('p', {}, copied ? 'Copied:' : 'Copy this:'), el('pre', {}, text));
}

function form(operation) {
  const inputs = (operation.parameters ?? []).map(resolve).map((parameter) => {
    const fresh = parameter.name === 'Idempotency-Key' && parameter.required ? crypto.randomUUID?.() : undefined;
    const preset = fresh ?? (parameter.required ? parameter.example ?? '' : '');
    const input = el('input', { value: preset, placeholder: String(parameter.example ?? parameter.schema?.default ?? '') });
    input.setAttribute('aria-label', parameter.name);
    return { parameter, input };
  });
  const asked = inputs.map(({ parameter, input }) => [
    el('code', {}, parameter.name), `${parameter.in}${parameter.required ? ', required' : ''}`, prose(parameter.description), input,
  ]);
  const content = operation.requestBody?.content;
  const example = pretty(exampleOf(content));
  const rows = Math.min(example.split('\n').length, 24);
  const body = content ? el('textarea', { value: example, rows, spellcheck: false, ariaLabel: 'Body' }) : null;
  const answer = el('div', { ariaLive: 'polite' });
  const submit = el('button', { className: 'main', onclick: () => send(request(operation, inputs, body), answer) }, 'Send');
  const copy = el('button', { onclick: () => copyTo(answer, curl(request(operation, inputs, body))) }, 'Copy as curl');
  const schema = content && Object.values(content)[0].schema;
  return [table(['Name', 'In', 'Meaning', 'Value'], asked), content ? el('h3', {}, 'Body') : null, schema ? fields(schema) : null, body,
    el('p', {}, submit, copy), answer];
}

function show(operation) {
  const responses = Object.entries(operation.responses ?? {}).flatMap(([status, response]) => {
    const headers = Object.entries(response.headers ?? {}).map(([name, header]) => [el('code', {}, name), prose(resolve(header).description)]);
    const schema = Object.values(response.content ?? {})[0]?.schema;
    const example = pretty(exampleOf(response.content));
    const title = [status === 'default' ? 'Problem' : status, ' — ', ...prose(response.description)];
    return [el('h4', {}, ...title), schema ? fields(schema) : null,
      headers.length ? table(['Header', 'Meaning'], headers) : null,
      example ? el('pre', {}, example) : null];
  });
  const title = el('h2', {}, sentence(operation.summary ?? operation.operationId), ' ', el('code', {}, `${operation.method} ${operation.path}`));
  $('main').replaceChildren(title, el('p', {}, ...prose(operation.description)), ...form(operation).filter(Boolean),
    el('h3', {}, 'Answers'), ...responses.filter(Boolean));
}

function showProblem(code) {
  const rows = Object.entries(problems).map(([name, [status, meaning]]) => [el('a', { href: `#problem/${name}` }, el('code', {}, name)), String(status), meaning]);
  const known = problems[code];
  const text = known ? `${known[0]}: ${known[1]}` : code ? 'This code is not among those that every API here may answer; its detail says more.' : '';
  $('main').replaceChildren(el('h2', {}, code ? `Problem ${code}` : 'Problems'), el('p', {}, text), el('h3', {}, 'All problems'),
    table(['Code', 'Status', 'What it means and what to do'], rows));
}

function grouped(found) {
  const groups = new Map();
  for (const one of found) {
    const tag = one.tags?.[0] ?? 'other';
    groups.set(tag, [...(groups.get(tag) ?? []), one]);
  }
  return groups;
}

function list() {
  const wanted = $('find').value.toLowerCase();
  const groups = grouped(operations.filter((one) => `${one.summary} ${one.path} ${one.method}`.toLowerCase().includes(wanted)));
  const link = (one) => {
    const name = el('span', {}, sentence(one.summary ?? one.operationId));
    const node = el('a', { href: `#${one.operationId}` }, el('span', { className: 'method' }, one.method), name);
    if (one === shown) node.setAttribute('aria-current', 'page');
    return node;
  };
  const all = el('a', { href: '#problem/' }, 'Problems');
  if (!shown) all.setAttribute('aria-current', 'page');
  const parts = [...groups].flatMap(([tag, found]) => [el('h2', {}, tag), ...found.map(link)]);
  $('list').replaceChildren(...parts, el('h2', {}, 'about'), all, el('a', { href: '/openapi.json' }, 'openapi.json'));
}

function route() {
  const [name, code] = location.hash.slice(1).split('/');
  shown = name === 'problem' ? undefined : operations.find((one) => one.operationId === name) ?? operations[0];
  if (shown) show(shown);
  else showProblem(code);
  list();
}

async function start() {
  api = await (await fetch('/openapi.json')).json();
  document.title = $('title').textContent = `${api.info.title} ${api.info.version}`;
  const verbs = ['get', 'post', 'put', 'patch', 'delete'];
  operations = Object.entries(api.paths).flatMap(([path, item]) =>
    verbs.filter((verb) => item[verb]).map((verb) => ({ ...item[verb], path, method: verb.toUpperCase() })));
  $('find').addEventListener('input', list);
  addEventListener('hashchange', () => { route(); $('main').focus(); });
  route();
}

start().catch((error) => $('main').replaceChildren(el('p', { className: 'bad' }, `/openapi.json could not be read: ${error.message}.`)));
