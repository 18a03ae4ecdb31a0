// Plausible tumours around the one that a reader moves: bands of their courses, and in how many of them each claim holds.
//
// What differs between the tumours each keeps as its own; all else, as doses and switches, is as the reader sets it.

const CROWD = {days: 121, levels: [0.05, 0.25, 0.75, 0.95], courses: {relative: 1e-4, cells: 1e-3, absolute: 1e-6}, verdicts: {relative: 1e-6}};

/** The inputs of one tumour: `inputs`, but for what differs between the tumours. */
function inputsOfTumour(study, which, inputs) {
  const own = {...inputs};
  study.tumours.names.forEach((name, place) => { own[name] = study.tumours.values[which][place]; });
  return own;
}

/** The values of one tumour's arms [arm][name] on `days`; NaN after a death, and where it cannot be solved. */
function coursesOfTumour(study, {which, inputs, arms, names, days, settings = CROWD.courses}) {
  const {model} = study;
  const own = inputsOfTumour(study, which, inputs);
  const [y, seen] = [new Float64Array(model.states.length), new Float64Array(model.observables.length)];
  const places = names.map((name) => [model.states.indexOf(name), model.observables.indexOf(name)]);
  return arms.map((arm) => {
    const {status, values, constants} = solveArm(model, problemOf(study, arm, own), {...settings, days});
    const found = names.map(() => new Float64Array(days.length).fill(NaN));
    for (let row = 0; status === 'ok' && row < days.length; row++) {
      for (let j = 0; j < y.length; j++) y[j] = values[row * y.length + j];
      model.observe(y, constants, seen);
      places.forEach(([state, observable], column) => { found[column][row] = observable < 0 ? y[state] : seen[observable]; });
    }
    return found;
  });
}

/** Verdicts of all claims in one tumour, one by one. */
function* verdictsOneByOne(study, {which, inputs, settings = CROWD.verdicts}) {
  const judge = new Judge(study, inputsOfTumour(study, which, inputs), settings);
  for (const claim of study.claims) yield judge.judge(claim).verdict;
}

const verdictsOfTumour = (study, job) => [...verdictsOneByOne(study, job)];

/** Bands [{low, high}], the wider first, of tumours' values [tumour][day]: the lowest value at or below which enough of them are. */
function bandsAround(days, values) {
  const points = CROWD.levels.map(() => []);
  days.forEach((day, place) => {
    const ranked = Float64Array.from(values.map((one) => one[place]).filter(Number.isFinite)).sort();
    CROWD.levels.forEach((level, row) => ranked.length && points[row].push([day, ranked[Math.ceil(level * ranked.length - 1e-9) - 1]]));
  });
  return [{low: points[0], high: points[3]}, {low: points[1], high: points[2]}];
}

/** What answers job after job. Verdicts come claim by claim: where a newer question waits, those that are left are given up. */
function answering(study, reply) {
  const {port1, port2} = new MessageChannel();
  let left = null;
  port1.onmessage = () => {
    if (!left) return;
    const {turn, which, found, verdicts} = left;
    const {done, value} = verdicts.next();
    if (!done) {
      found.push(value);
      port2.postMessage(null);
      return;
    }
    left = null;
    reply({turn, which, found});
  };
  return ({turn, job}) => {
    left = job.names ? null : {turn, which: job.which, found: [], verdicts: verdictsOneByOne(study, job)};
    if (left) port2.postMessage(null);
    else reply({turn, which: job.which, found: coursesOfTumour(study, job)});
  };
}

function serve(study) {
  const answer = answering(study, postMessage);
  onmessage = ({data}) => answer(data);
}

/** Workers that run this page's own script; where none may be made, idle moments of the page. */
class Crowd {
  constructor(study, code) {
    this.study = study;
    this.turn = 0;
    this.jobs = [];
    try {
      const url = URL.createObjectURL(new Blob([code], {type: 'text/javascript'}));
      this.hands = Array.from({length: Math.min(8, navigator.hardwareConcurrency || 2)}, () => this.hand(new Worker(url)));
    } catch {
      this.alone();
    }
  }

  hand(worker) {
    worker.onmessage = ({data}) => this.take(worker, data);
    worker.onerror = (event) => {
      event.preventDefault();
      if (this.hands.includes(worker)) this.alone();
    };
    return worker;
  }

  alone() {
    const page = {};
    const answer = answering(this.study, (data) => this.take(page, data));
    page.postMessage = (data) => setTimeout(() => answer(data), 0);
    this.hands = [page];
    if (this.then) this.ask(this.job, this.then);
  }

  /** Ask `job` of every tumour, and `then` with the answers in their order; whatever was asked before is given up. */
  ask(job, then) {
    Object.assign(this, {turn: this.turn + 1, job, then, found: [], left: this.study.tumours.values.length});
    this.jobs = this.study.tumours.values.map((_, which) => ({...job, which}));
    for (const worker of this.hands) if (!worker.busy || worker.yields) this.give(worker);
  }

  give(worker) {
    const job = this.jobs.shift();
    Object.assign(worker, {busy: job !== undefined, yields: !job?.names, turn: this.turn});
    if (worker.busy) worker.postMessage({turn: this.turn, job});
  }

  take(worker, {turn, which, found}) {
    if (turn !== worker.turn) return; // it had just done what it was to give up
    this.give(worker);
    if (turn !== this.turn) return;
    this.found[which] = found;
    if (--this.left) return;
    const {then} = this;
    this.then = null;
    then(this.found);
  }
}
