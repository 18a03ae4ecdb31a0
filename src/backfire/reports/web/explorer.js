// The explorer: controls for every input, curves, outcomes and verdicts that follow them, a link and a file that keep them.

const make = (name, attributes = {}, ...children) => {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === 'class') element.className = value;
    else if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(key, value === true ? '' : value);
  }
  element.append(...children);
  return element;
};

const COARSE = {relative: 1e-5};
const byName = new Map(study.inputs.map((item) => [item.name, item]));
const words = (name) => study.labels[name] ?? name.replaceAll('_', ' ');
const state = {inputs: inputsOf(study), off: new Set(), shown: study.shown[0] ?? study.sources[0], controls: new Map(), timer: 0, bands: new Map()};
const place = document.getElementById('explorer-place');
const crowd = study.tumours && new Crowd(study, document.currentScript.textContent);
const parts = {
  burden: drawn(null, 'svg', {class: 'plot', role: 'group', 'aria-label': 'tumour burden by arm, with doses that can be moved'}),
  answer: drawn(null, 'svg', {class: 'plot', role: 'img', 'aria-label': 'the course of what is chosen, by arm'}),
  keys: make('ul', {class: 'keys', 'aria-label': 'arms'}),
  outcomes: make('div', {class: 'wide', role: 'region', tabindex: 0, 'aria-label': 'outcomes of the arms'}),
  claims: make('div'),
  status: make('p', {class: 'status', role: 'status'}),
};

// -- inputs ------------------------------------------------------------------------------------------------------------

/** A slider goes through logarithms where a range spans more than a factor of eight. */
const logarithmic = ({low, high, whole}) => low > 0 && high / low > 8 && !whole;
const toSlider = (item, value) => 1000 * (logarithmic(item) ? Math.log(Math.max(value, item.low) / item.low) / Math.log(item.high / item.low) : (value - item.low) / (item.high - item.low));
function fromSlider(item, at) {
  const value = logarithmic(item) ? item.low * (item.high / item.low) ** (at / 1000) : item.low + (item.high - item.low) * (at / 1000);
  return item.whole ? Math.round(value) : Number(value.toPrecision(4));
}

/** Why a value is impossible; '' if it is not. */
function impossible(item, value) {
  if (!Number.isFinite(value)) return 'is not a number';
  if (value < 0 || (item.whole && value < 1)) return 'is too small';
  if (item.most !== null && value > item.most) return `is above ${item.most}`;
  if (item.kind !== 'regimen') return '';
  const regimen = item.name.slice(0, item.name.lastIndexOf('.'));
  return refusal(regimensOf(study, {...state.inputs, [item.name]: value})[regimen], study.days);
}

function set(name, value, done = true) {
  const item = byName.get(name);
  const reason = impossible(item, value);
  if (reason) parts.status.textContent = `${describe(item)} of ${short(value)} ${reason}; it stays at ${short(state.inputs[name])}.`;
  else {
    state.inputs[name] = value;
    parts.status.textContent = '';
  }
  show(name);
  update(done);
}

/** Put an input's value where its controls show it. */
function show(name) {
  const [item, value] = [byName.get(name), state.inputs[name]];
  for (const {range, number, box, root} of state.controls.get(name) ?? []) {
    if (range) {
      range.value = toSlider(item, value);
      range.setAttribute('aria-valuetext', `${short(value)} ${item.unit}`);
    }
    if (number) number.value = Number(value.toPrecision(6));
    if (box) box.checked = value > 0;
    root.classList.toggle('changed', value !== item.value);
  }
}

function describe(item) {
  const dot = item.name.lastIndexOf('.');
  if (dot < 0) return words(item.name);
  const word = item.name.slice(dot + 1).replaceAll('_', ' ');
  return item.kind === 'regimen' ? {amount: 'each dose', start: 'first day', every: 'days between', count: 'doses'}[word] ?? word : `${words(item.owner)}: ${word}`;
}

function control(item) {
  const id = `input-${item.name.replaceAll('.', '-')}`;
  const range = make('input', {type: 'range', class: 'range', min: 0, max: 1000, step: 'any', 'aria-label': `${item.name}, slider`,
    oninput: () => set(item.name, fromSlider(item, Number(range.value)), false), onchange: () => set(item.name, fromSlider(item, Number(range.value)))});
  const number = make('input', {type: 'number', id, step: 'any', min: 0, onchange: () => set(item.name, Number(number.value))});
  const facts = [`${short(item.low)} … ${short(item.high)}`, item.unit, item.grade].filter(Boolean).join(' · ');
  const root = make('div', {class: 'control', title: [item.meaning, item.source].filter(Boolean).join('\n')},
    make('label', {for: id}, describe(item)), number, range, make('span', {class: 'about'}, item.kind === 'parameter' ? `${item.meaning} (${facts})` : facts));
  register(item.name, {range, number, root});
  return root;
}

function toggle(item) {
  const whole = item.value > 0 ? item.value : 1;
  const box = make('input', {type: 'checkbox', onchange: () => set(item.name, box.checked ? whole : 0)});
  const root = make('label', {class: 'switch'}, box, make('span', {}, describe(item)));
  register(item.name, {box, root});
  return root;
}

const register = (name, control) => state.controls.set(name, [...(state.controls.get(name) ?? []), control]);
const sliding = (item) => item.low !== null;

function controls() {
  const groups = [];
  const switches = study.inputs.filter((item) => item.kind === 'switch');
  if (switches.length) groups.push(make('fieldset', {}, make('legend', {}, 'Feedbacks, on or off'), ...switches.map(toggle)));
  for (const regimen of Object.keys(study.regimens)) {
    const own = study.inputs.filter((item) => item.kind === 'regimen' && item.name.startsWith(`${regimen}.`) && sliding(item));
    if (own.length) groups.push(make('fieldset', {}, make('legend', {}, words(regimen)), ...own.map(control)));
  }
  const values = study.inputs.filter((item) => item.kind === 'parameter' && sliding(item));
  parts.matter = make('div', {}, make('p', {class: 'about'}, 'Being worked out …'));
  groups.push(make('fieldset', {}, make('legend', {}, 'Values that matter most here'), parts.matter));
  for (const owner of new Set(values.map((item) => item.owner))) {
    const own = values.filter((item) => item.owner === owner);
    groups.push(make('details', {}, make('summary', {}, `${words(owner)}: ${own.length} ${own.length === 1 ? 'value' : 'values'}`), ...own.map(control)));
  }
  return make('div', {class: 'controls', role: 'group', 'aria-label': 'inputs', tabindex: 0}, ...groups);
}

// -- simulation and what it shows --------------------------------------------------------------------------------------

/** Simulate at once, roughly while something moves, and in full as soon as it rests and bands are there; claims follow then. */
function update(done = true) {
  const rest = () => {
    if (state.asking) state.timer = setTimeout(rest, 30);
    else update(true);
  };
  clearTimeout(state.timer);
  draw(done ? undefined : COARSE);
  follow();
  state.timer = done ? 0 : setTimeout(rest, 160);
  if (done) {
    // a page inside another, as in a notebook, has no address of its own
    if (location.protocol !== 'about:') history.replaceState(null, '', fragment() || location.pathname + location.search);
    later(judgeAll);
  }
}

const later = (task) => setTimeout(task, 30);
const arms = () => Object.keys(study.arms).filter((arm) => !state.off.has(arm));

function draw(settings) {
  const begun = performance.now();
  state.readers = new Map(arms().map((arm) => [arm, new Reader(study, runArm(study, arm, state.inputs, settings))]));
  for (const reader of state.readers.values()) reader.watch(drawnNames());
  paint();
  table();
  state.took = performance.now() - begun;
  place.dataset.took = state.took.toFixed(1);
}

const hasBurden = study.units.burden !== undefined;
const drawnNames = () => [...new Set(hasBurden ? ['burden', state.shown] : [state.shown])];

function paint() {
  const inCells = study.units.burden === 'cell';
  if (hasBurden) plot(parts.burden, {title: 'Tumour burden', unit: study.measures.burden, days: study.days, log: true, floor: inCells ? 0.4 : 1e-12, lines: curves('burden'), bands: bandsOf('burden'), doses: rows()});
  const cells = study.units[state.shown] === 'cell';
  plot(parts.answer, {title: words(state.shown), unit: study.measures[state.shown], days: study.days, log: cells, floor: cells ? 0.4 : 0, lines: curves(state.shown), bands: bandsOf(state.shown), doses: hasBurden ? [] : rows()});
}

const bandsOf = (name) => arms().flatMap((arm) => (state.bands.get(`${arm} ${name}`) ?? []).map((band) => ({...band, look: study.looks[arm]})));

/** Bands over the plausible tumours follow what these share with the one that moves; the newest question waits for the last. */
function follow() {
  if (!crowd || state.asking) {
    state.behind = true;
    return;
  }
  const inputs = Object.fromEntries(Object.entries(state.inputs).filter(([name]) => !study.tumours.names.includes(name)));
  const [shown, names] = [arms(), drawnNames()];
  const key = JSON.stringify([inputs, shown, names]);
  if (key === state.followed) return;
  Object.assign(state, {followed: key, asking: true, behind: false});
  const begun = performance.now();
  const days = Array.from({length: CROWD.days}, (_, point) => (study.days * point) / (CROWD.days - 1));
  crowd.ask({inputs, arms: shown, names, days}, (found) => {
    state.asking = false;
    state.bands = new Map(shown.flatMap((arm, row) => names.map((name, column) => [`${arm} ${name}`, bandsAround(days, found.map((one) => one[row][column]))])));
    paint();
    place.dataset.bands = (performance.now() - begun).toFixed(1);
    if (state.behind) follow();
    if (!state.asking && study.claims.length) crowd.ask({inputs}, showShares);
  });
}

/** In how many of the plausible tumours each claim holds. */
function showShares(found) {
  study.claims.forEach((claim, index) => { claim.cells[3].textContent = (found.filter((verdicts) => verdicts[index] === 'holds').length / found.length).toFixed(2); });
  place.dataset.shares = 'yes';
}

function curves(name) {
  return [...state.readers].map(([arm, reader]) => {
    const values = reader.columns.get(name);
    const points = reader.run.steps.flatMap(({days}, step) => days.map((day, node) => [day, values[step][node]]));
    return {name: arm, look: study.looks[arm], points};
  });
}

function rows() {
  return Object.entries(regimensOf(study, state.inputs)).map(([name, regimen]) => ({
    name, label: words(name), start: regimen.start,
    spans: dosesOf(regimen).map(({time, end}) => [time, end]),
    move: (day, done) => set(`${name}.start`, Math.max(0, done ? Math.round(day * 2) / 2 : day), done),
  }));
}

function told(outcome, found) {
  if (!found || !Number.isFinite(found.value)) return '–';
  if (outcome.kind === 'yes') return found.value ? 'yes' : 'no';
  return (found.observed ? '' : '> ') + short(found.value);
}

function table() {
  const rowsOf = study.outcomes.map((outcome) => [outcome, [...state.readers.values()].map((reader) => (reader.run.status === 'ok' ? reader.read(outcome.name) : null))]);
  const head = make('tr', {}, make('th', {scope: 'col'}, 'outcome'), ...[...state.readers.keys()].map((arm) => make('th', {scope: 'col'}, words(arm))));
  const body = rowsOf.filter(([, found]) => found.some(Boolean)).map(([outcome, found]) => make('tr', {}, make('th', {scope: 'row'}, outcome.unit ? `${outcome.title} (${outcome.unit})` : outcome.title), ...found.map((one) => make('td', {}, told(outcome, one)))));
  parts.outcomes.replaceChildren(make('table', {}, make('thead', {}, head), make('tbody', {}, ...body)));
  const failed = [...state.readers].filter(([, reader]) => reader.run.status !== 'ok').map(([arm]) => words(arm));
  const dead = [...state.readers].filter(([, reader]) => reader.run.died !== null).map(([arm, reader]) => `${words(arm)} on day ${short(reader.run.died)}`);
  if (failed.length) parts.status.textContent = `The computation fails in ${failed.join(', ')}.`;
  parts.deaths.textContent = dead.length ? `The host dies in ${dead.join(', ')}; that arm ends there.` : '';
}

/** Verdicts of all claims, after the bands and a few at a time, so that the page stays awake; given up as soon as something moves. */
function judgeAll() {
  if (!study.claims.length) {
    if (!state.ranked) later(rank);
    return;
  }
  const turn = (state.turn = {});
  const judge = new Judge(study, {...state.inputs}, undefined, state.off.size ? new Map() : state.readers);
  const changed = Object.keys(state.inputs).some((name) => state.inputs[name] !== byName.get(name).value);
  let next = 0;
  const some = () => {
    if (state.asking) {
      later(() => state.turn === turn && some());
      return;
    }
    const begun = performance.now();
    while (next < study.claims.length && performance.now() - begun < 25) {
      const claim = study.claims[next++];
      showVerdict(claim, judge.judge(claim));
      claim.first ??= changed ? undefined : claim.now;
    }
    if (next < study.claims.length) later(() => state.turn === turn && some());
    else {
      count();
      if (!state.ranked) later(rank);
    }
  };
  some();
}

function showVerdict(claim, {verdict, margin}) {
  claim.now = verdict;
  const [row, cell, note] = claim.cells;
  cell.textContent = verdict;
  cell.className = verdict.replace(' ', '-');
  note.textContent = Number.isFinite(margin) ? `${margin < 0 ? '−' : '+'}${Math.abs(margin).toFixed(2)}` : '–';
  row.classList.toggle('turned', claim.first !== undefined && claim.first !== verdict);
}

function count() {
  const kept = study.claims.filter((claim) => claim.now === 'holds').length;
  const turned = study.claims.filter((claim) => claim.first !== undefined && claim.first !== claim.now).map((claim) => claim.label);
  parts.counted.textContent = `${kept} of ${study.claims.length} claims hold${turned.length ? `; other than at the start: ${turned.join(', ')}` : ''}.`;
  place.dataset.judged = String(kept);
}

function claimsTable() {
  if (!study.claims.length) return make('p', {}, 'No claim speaks of this scenario.');
  parts.counted = make('p', {role: 'status'});
  const body = study.claims.map((claim) => {
    const [cell, note, share] = [make('td', {}), make('td', {}), make('td', {}, '…')];
    const row = make('tr', {}, make('th', {scope: 'row'}, claim.id), make('td', {}, claim.statement), make('td', {}, claim.role), cell, note, ...(crowd ? [share] : []));
    claim.cells = [row, cell, note, share];
    return row;
  });
  const head = make('tr', {}, ...['id', 'claim', 'role', 'verdict', 'margin', ...(crowd ? ['holds in tumours'] : [])].map((word) => make('th', {scope: 'col'}, word)));
  const claims = make('table', {}, make('thead', {}, head), make('tbody', {}, ...body));
  const left = study.elsewhere.length ? [make('p', {class: 'about'}, `Not judged here, as they speak of another scenario or of the chance of cure: ${study.elsewhere.join(', ')}.`)] : [];
  return make('div', {}, parts.counted, ...left, make('div', {class: 'wide', role: 'region', tabindex: 0, 'aria-label': 'claims and their verdicts'}, claims));
}

// -- what matters ------------------------------------------------------------------------------------------------------

/** How far the burden of the arms moves, in decades and averaged over days, as each value goes through its range. */
function rank() {
  state.ranked = true;
  if (study.units.burden === undefined) {
    parts.matter.replaceChildren(make('p', {class: 'about'}, 'Values stand below, by mechanism.'));
    place.dataset.ready = 'yes';
    return;
  }
  const base = inputsOf(study);
  const values = study.inputs.filter((item) => item.kind === 'parameter' && sliding(item));
  const days = Array.from({length: 25}, (_, place) => (study.days * (place + 1)) / 25.01);
  const levels = (inputs) => Object.keys(study.arms).map((arm) => {
    const reader = new Reader(study, runArm(study, arm, inputs, {relative: 1e-4}));
    return days.map((day) => Math.log10(Math.max(1, day > reader.run.last ? reader.burden.before(reader.run.last) : reader.burden.before(day))));
  });
  const usual = levels(base);
  const moved = new Map();
  let next = 0;
  const some = () => {
    const begun = performance.now();
    while (next < values.length && performance.now() - begun < 25) {
      const item = values[next++];
      const far = [item.low, item.high].map((value) => levels({...base, [item.name]: value}).map((arm, place) => arm.reduce((sum, level, day) => sum + Math.abs(level - usual[place][day]), 0) / days.length));
      moved.set(item, Math.max(...far.flat().filter(Number.isFinite), 0));
    }
    if (next < values.length) {
      later(some);
      return;
    }
    const first = [...moved].sort((a, b) => b[1] - a[1]).slice(0, 8).map(([item]) => item);
    parts.matter.replaceChildren(make('p', {class: 'about'}, 'By how far the burden moves when each goes through its plausible range alone.'), ...first.map(again));
    place.dataset.ready = 'yes';
  };
  some();
}

/** A second control of a value that stands among the others, too. */
function again(item) {
  const root = control(item);
  root.querySelector('input[type=number]').id += '-first';
  root.querySelector('label').htmlFor += '-first';
  show(item.name);
  return root;
}

// -- a link, a file ----------------------------------------------------------------------------------------------------

/** The inputs that differ from the scenario, as the fragment of a link. */
function fragment() {
  const changed = study.inputs.filter(({name, value}) => state.inputs[name] !== value).map(({name}) => [name, String(state.inputs[name])]);
  return changed.length ? `#${new URLSearchParams(changed)}` : '';
}

function readFragment() {
  if (!location.hash.includes('=')) return;
  for (const [name, text] of new URLSearchParams(location.hash.slice(1))) {
    const item = byName.get(name);
    if (item && text.trim() !== '' && !impossible(item, Number(text))) state.inputs[name] = Number(text);
    else parts.status.textContent = `The link sets ${name.slice(0, 60)}, which is not possible here.`;
  }
}

async function copyLink() {
  const link = location.href.split('#')[0] + fragment();
  try {
    await navigator.clipboard.writeText(link);
    parts.status.textContent = 'The link is copied: it opens this page with these values.';
  } catch {
    parts.status.textContent = link;
  }
}

function save() {
  const url = URL.createObjectURL(new Blob([scenarioFile(study, state.inputs)], {type: 'application/toml'}));
  const name = `${study.name}-explored.toml`;
  make('a', {href: url, download: name}).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
  parts.status.textContent = `Saved as ${name}: backfire run ${name} gives these numbers.`;
}

function reset() {
  state.inputs = inputsOf(study);
  for (const name of state.controls.keys()) show(name);
  parts.status.textContent = '';
  update();
}

// -- put together ------------------------------------------------------------------------------------------------------

function keys() {
  for (const arm of Object.keys(study.arms)) {
    const box = make('input', {type: 'checkbox', checked: true, onchange: () => {
      if (box.checked) state.off.delete(arm);
      else state.off.add(arm);
      update();
    }});
    const line = drawn(null, 'svg', {width: 42, height: 12, 'aria-hidden': 'true'});
    drawn(line, 'path', {d: 'M2 6H40', stroke: study.looks[arm].colour, 'stroke-width': 2.3, 'stroke-dasharray': dashed(study.looks[arm])});
    parts.keys.append(make('li', {}, make('label', {}, box, ' ', line, ` ${words(arm)}`)));
  }
}

function begin() {
  const choice = make('select', {onchange: () => {
    state.shown = choice.value;
    draw();
    follow();
  }}, ...study.sources.map((name) => make('option', {value: name, selected: name === state.shown}, words(name))));
  parts.deaths = make('p', {class: 'status'});
  const bar = make('div', {class: 'bar'}, make('button', {type: 'button', onclick: reset}, 'As it was'), make('button', {type: 'button', onclick: copyLink}, 'Copy link'), make('button', {type: 'button', onclick: save}, 'Save as scenario'));
  keys();
  const side = controls();
  const plots = make('div', {class: 'plots'}, bar, parts.status, parts.keys, ...(crowd ? [make('p', {class: 'about'}, study.tumours.words)] : []), ...(hasBurden ? [parts.burden] : []), parts.deaths, make('label', {class: 'bar'}, 'Also show ', choice), parts.answer);
  place.append(make('div', {class: 'explorer'}, side, plots), make('h3', {}, 'Outcomes now'), parts.outcomes, make('h3', {}, 'Claims now'), claimsTable());
  readFragment();
  for (const name of state.controls.keys()) show(name);
  update();
}

begin();
addEventListener('resize', () => draw());
addEventListener('hashchange', () => {
  if (!location.hash.includes('=')) return;
  state.inputs = inputsOf(study);
  readFragment();
  for (const name of state.controls.keys()) show(name);
  update();
});
