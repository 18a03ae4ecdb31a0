// A study: the inputs that a reader sets, the doses that follow from them, and the arms that are run.

const round = (value) => Number(value.toPrecision(14));

/** The doses of a regimen {start, amount, every, count, duration, cycles, cycle_length}: as the file writes its days, up to `last`. */
function dosesOf(regimen, last = Infinity) {
  const doses = [];
  for (let cycle = 0; cycle < regimen.cycles; cycle++) {
    for (let index = 0; index < regimen.count; index++) {
      const time = round(regimen.start + cycle * regimen.cycle_length + index * regimen.every);
      const end = round(time + regimen.duration);
      if (end <= last) doses.push({time, end, agent: regimen.agent, amount: regimen.amount, duration: regimen.duration});
    }
  }
  return doses;
}

/** Why a regimen cannot be given within the days of the study; '' if it can. */
function refusal(regimen, days) {
  const {start, every, count, duration, cycles, cycle_length: length} = regimen;
  const block = (count - 1) * every + duration;
  if (start + (cycles - 1) * length + block > days + 1e-9) return `ends after day ${days}`;
  if (count > 1 && !(every > 0)) return 'needs days between its doses';
  if (count > 1 && duration > every) return 'overlaps itself';
  if (cycles > 1 && (block > length || (block === length && !duration))) return 'has cycles that overlap';
  return '';
}

/** The regimens of a study under some inputs. */
function regimensOf(study, inputs) {
  return Object.fromEntries(Object.entries(study.regimens).map(([name, fixed]) => {
    const given = {...fixed};
    for (const word of study.regimenNumbers) given[word] = inputs[`${name}.${word}`];
    return [name, given];
  }));
}

/**
 * What happens in an arm, whatever its constants: doses, and moments {time, index, level, given} at which a state is set to
 * `level` or, if that is null, changes by what is `given`. Worked out once for all tumours that are given the same.
 */
function planOf(study, arm, inputs, until) {
  const plans = (study.plans ??= new Map());
  const key = [arm, until, ...study.arms[arm].flatMap((name) => study.regimenNumbers.map((word) => inputs[`${name}.${word}`]))].join();
  if (!plans.has(key)) {
    if (plans.size > 100) plans.clear();
    plans.set(key, planned(study, arm, inputs, until));
  }
  return plans.get(key);
}

function planned(study, arm, inputs, until) {
  const regimens = regimensOf(study, inputs);
  const doses = study.arms[arm].flatMap((name) => dosesOf(regimens[name], until)).sort((a, b) => a.time - b.time);
  const moments = new Map();
  const moment = (time, state) => {
    const key = `${time} ${state}`;
    if (!moments.has(key)) moments.set(key, {time, index: study.model.states.indexOf(state), level: null, given: []});
    return moments.get(key);
  };
  const flows = new Map();
  for (const dose of doses) {
    const agent = study.agents[dose.agent];
    if (dose.duration > 0) {
      const held = agent.switches ?? agent.infuses;
      const level = !agent.switches ? dose.amount / dose.duration : agent.unit ? dose.amount : 1;
      if (!flows.has(held)) flows.set(held, []);
      flows.get(held).push([dose.time, level], [dose.end, -level]);
      continue;
    }
    for (const [state, multiply] of Object.entries(agent.multiplies)) moment(dose.time, state).given.push({multiply, amount: dose.amount});
    for (const [state, add] of Object.entries(agent.adds)) moment(dose.time, state).given.push({add, amount: dose.amount});
  }
  for (const [state, list] of flows) {
    const running = new Map();
    for (const [time, level] of list.sort((a, b) => a[0] - b[0] || a[1] - b[1])) {
      const size = Math.abs(level);
      running.set(size, (running.get(size) ?? 0) + Math.sign(level));
      moment(time, state).level = [...running].reduce((sum, [one, times]) => sum + one * times, 0);
    }
  }
  const starts = study.arms[arm].map((name) => regimens[name].start);
  return {
    doses,
    moments: [...moments.values()].sort((a, b) => a.time - b.time || a.index - b.index),
    own: starts.length ? Math.max(study.since, Math.min(...starts)) : study.since,
    surgery: Math.min(...doses.filter((dose) => study.agents[dose.agent].resects).map((dose) => dose.time)),
  };
}

/** Everything of one arm: constants, start, events, doses; with `until` only what is over by then. */
function problemOf(study, arm, inputs, until = study.days) {
  const {doses, moments, own, surgery} = planOf(study, arm, inputs, until);
  const values = Object.fromEntries(study.parameters.map(({name, perUnit}) => [name, inputs[name] * perUnit]));
  const constants = [...study.parameters.map(({name}) => values[name]), ...study.switches.map((name) => inputs[name])];
  const events = moments.map(({time, index, level, given}) => {
    const event = {time, index, multiply: level === null ? 1 : 0, add: level ?? 0};
    if (level !== null) return event;
    for (const {multiply, add, amount} of given) {
      if (multiply) event.multiply *= multiply(constants, amount);
      else event.add += add(constants, amount);
    }
    return event;
  });
  return {
    start: study.start.map((given) => (typeof given === 'string' ? values[given] : given)),
    constants,
    events,
    days: until,
    cells: study.cells,
    amounts: study.amounts,
    feeds: study.feeds,
    load: study.model.alone[study.hostLoad],
    doses,
    own,
    surgery,
  };
}

/** One arm solved, with what a reader of outcomes needs to know of it. */
function runArm(study, arm, inputs, settings, until) {
  const problem = problemOf(study, arm, inputs, until);
  const solution = solveArm(study.model, problem, settings);
  const last = solution.steps.length ? solution.steps[solution.steps.length - 1].days[5] : 0;
  return {...solution, problem, arm, last};
}

/** The inputs of a study as the file has them, with changes {name: value} on top. */
function inputsOf(study, changes = {}) {
  return {...Object.fromEntries(study.inputs.map(({name, value}) => [name, value])), ...changes};
}
