// Verdicts of claims: every reading is an interval, carried through the arithmetic of both sides, as in `claims.verdict`.

const SLOWEST = 0.01;
const SAME_END = 0.01;

/** How far a reading may be off. */
function resolution(kind, value, resolved) {
  const blur = resolved * Math.abs(value);
  switch (kind) {
    case 'exact': case 'yes': return 0;
    case 'decades': return blur + resolved;
    case 'chance': return resolved;
    case 'time': return blur + resolved / SLOWEST;
  }
  return blur;
}

/** {value, low, high} of a term; `measured` maps keys of outcomes to {value, observed}. */
function knownOf(study, term, measured, resolved) {
  if (typeof term === 'number') return {value: term, low: term, high: term};
  if (!term.sign) {
    const {value, observed} = measured.get(term.key);
    const blur = resolution(study.readings[term.outcome].kind, value, resolved);
    return {value, low: value - blur, high: observed ? value + blur : Infinity};
  }
  const left = knownOf(study, term.left, measured, resolved);
  const right = knownOf(study, term.right, measured, resolved);
  switch (term.sign) {
    case '+': return {value: left.value + right.value, low: left.low + right.low, high: left.high + right.high};
    case '-': return {value: left.value - right.value, low: left.low - right.high, high: left.high - right.low};
    case '*': return {value: left.value * right.value, ...corners(left, right.low, right.high)};
  }
  const through = right.low <= 0 && right.high >= 0;
  const [low, high] = through ? [-Infinity, Infinity] : [1 / right.high, 1 / right.low];
  return {value: right.value === 0 ? NaN : left.value / right.value, ...corners(left, low, high)};
}

function corners(left, low, high) {
  const every = [left.low * low, left.low * high, left.high * low, left.high * high].map((one) => (Number.isNaN(one) ? 0 : one));
  return {low: Math.min(...every), high: Math.max(...every)};
}

/** The logarithm of the ratio of two numbers; of different signs their difference relative to the larger one. */
function distance(left, right) {
  if (left === right) return 0;
  if (left === Infinity) return Infinity;
  if (right === Infinity || left === -Infinity) return -Infinity;
  return left > 0 && right > 0 ? Math.log(left / right) : (left - right) / Math.max(Math.abs(left), Math.abs(right));
}

function decided({order, tolerance}, left, right) {
  if (order === '=') {
    const ends = [distance(left.low, right.high), distance(left.high, right.low)].map(Math.abs);
    const meet = left.low <= right.high && right.low <= left.high;
    const edge = Math.log1p(tolerance);
    return [Math.max(...ends) <= edge, (meet ? 0 : Math.min(...ends)) > edge];
  }
  if (order[0] === '<') [left, right] = [right, left];
  return order.length === 1 ? [left.low > right.high, left.high <= right.low] : [left.low >= right.high, left.high < right.low];
}

const refsOf = (term) => (typeof term === 'number' ? [] : term.sign ? [...refsOf(term.left), ...refsOf(term.right)] : [term]);

/** Every outcome that a claim reads. */
const readBy = (claim) => claim.comparisons.flatMap(({left, right}) => [...refsOf(left), ...refsOf(right)]);

/** {verdict, margin} of a claim; `measured` maps keys to {value, observed, solved, ends}. */
function judge(study, claim, measured) {
  const readings = readBy(claim).map(({key}) => measured.get(key));
  if (readings.some(({solved}) => !solved)) return {verdict: 'error', margin: NaN};
  let margin = Infinity;
  let [failed, waiting, blurred, apart] = [false, false, false, false];
  for (const comparison of claim.comparisons) {
    const [left, right] = [comparison.left, comparison.right].map((side) => knownOf(study, side, measured, study.resolved));
    const gap = distance(left.value, right.value);
    const own = comparison.order === '=' ? Math.log1p(comparison.tolerance) - Math.abs(gap) : comparison.order[0] === '>' ? gap : -gap;
    margin = Number.isNaN(margin) || Number.isNaN(own) ? NaN : Math.min(margin, own);
    const [isTrue, isFalse] = decided(comparison, left, right);
    const refs = [...refsOf(comparison.left), ...refsOf(comparison.right)];
    failed ||= isFalse;
    blurred ||= !isTrue && !isFalse;
    waiting ||= !isTrue && !isFalse && refs.some(({key}) => !measured.get(key).observed);
    const ends = refs.filter(({outcome}) => study.readings[outcome].toEnd).map(({key}) => measured.get(key).ends);
    apart ||= ends.some((end) => !(end === ends[0] || Math.abs(end - ends[0]) <= SAME_END));
  }
  if (Number.isNaN(margin) || apart || readings.some(({value}) => !Number.isFinite(value))) return {verdict: 'not applicable', margin: NaN};
  const verdict = failed ? 'fails' : waiting ? 'not applicable' : blurred ? 'inconclusive' : 'holds';
  return {verdict, margin: verdict === 'not applicable' ? NaN : margin};
}

/** Claims under some inputs, one by one as they are asked for: what has been run for one claim serves the next. */
class Judge {
  constructor(study, inputs, settings, runs = new Map()) {
    Object.assign(this, {study, inputs, settings});
    this.readers = new Map([...runs].map(([arm, reader]) => [`${arm} [] null`, reader]));
  }

  reader({arm, changes}, until) {
    const key = `${arm} ${JSON.stringify(changes)} ${until}`;
    if (!this.readers.has(key)) {
      const inputs = {...this.inputs};
      for (const {name, how, value} of changes) inputs[name] = how === '=' ? value : inputs[name] * value;
      const last = until === null ? undefined : this.study.since + until;
      this.readers.set(key, new Reader(this.study, runArm(this.study, arm, inputs, this.settings, last)));
    }
    return this.readers.get(key);
  }

  judge(claim) {
    const measured = new Map();
    for (const ref of readBy(claim)) {
      const reader = this.reader(ref, claim.until);
      const {run} = reader;
      const solved = run.status === 'ok';
      const found = (solved && reader.read(ref.outcome)) || {value: NaN, observed: true};
      measured.set(ref.key, {...found, solved, ends: run.died === null ? Infinity : run.died - this.study.since});
    }
    return {...judge(this.study, claim, measured), measured};
  }
}
