// Outcomes read off the steps of an arm: polynomials of degree 5 in every step, extrema and crossings as their roots.
//
// The same rules as the reader of the reference solver; names, units and words come from the catalogue of outcomes.

const COUNTED = 1 - 1e-9;
const NEARLY = 1e-5;
const FLAT = 1e-7;
const RESTING = 1e-6;
const ROUNDED = 1e-9;

/** The course of one amount through `steps`, `values` being six numbers a step. */
class Interpolant {
  constructor(steps, values, logarithmic = false, counted = false) {
    this.steps = steps;
    this.values = values;
    let piece = 0;
    this.piece = steps.map(({fresh}) => (piece += fresh ? 1 : 0));
    this.log = values.map((six) => logarithmic && six.every((value) => value > 0));
    this.straight = values.map((six) => counted && six.some((value) => value > 0) && !six.every((value) => value > 0));
    this.bent = [];
  }

  coefficients(place) {
    if (!this.bent[place]) {
      const level = this.log[place] ? this.values[place].map(Math.log) : this.values[place];
      const bend = (this.bent[place] = new Float64Array(6));
      for (let power = 0; power < 6; power++) for (let node = 0; node < 6; node++) bend[power] += READING.inverse[power][node] * level[node];
    }
    return this.bent[place];
  }

  share(place, day) {
    const {days} = this.steps[place];
    return days[5] > days[0] ? Math.min(1, Math.max(0, (day - days[0]) / (days[5] - days[0]))) : 0;
  }

  at(place, share) {
    if (this.straight[place]) {
      const node = Math.min(4, Math.floor(share * 5));
      const [low, high] = [this.values[place][node], this.values[place][node + 1]];
      return low + (high - low) * (share * 5 - node);
    }
    const bend = this.coefficients(place);
    let found = 0;
    for (let power = 5; power >= 0; power--) found = found * share + bend[power];
    return this.log[place] ? Math.exp(found) : found;
  }

  slope(place, share) {
    const bend = this.coefficients(place);
    let found = 0;
    for (let power = 5; power > 0; power--) found = found * share + power * bend[power];
    return found;
  }

  /** [first, last) of the steps that have a moment in [start, end]. */
  *window(start, end) {
    for (let place = 0; place < this.steps.length; place++) {
      const {days} = this.steps[place];
      if (days[0] <= end && (days[5] > start || days[0] >= start)) yield place;
    }
  }

  /** [day, value] of the smallest value in [start, end]; the first of pieces that nearly agree. */
  minimum(start, end) {
    if (!(start <= end)) return [NaN, NaN];
    const found = [];
    let lowest = Infinity;
    const places = [...this.window(start, end)];
    for (const place of places) {
      const {days} = this.steps[place];
      days.forEach((day, node) => {
        if (day >= start && day <= end) {
          found.push([day, this.values[place][node], this.piece[place]]);
          lowest = Math.min(lowest, this.values[place][node]);
        }
      });
      for (const day of [start, end]) if (days[0] < day && day < days[5]) found.push([day, this.at(place, this.share(place, day)), this.piece[place]]);
    }
    for (const place of places) {
      if (this.straight[place]) continue;
      const {days} = this.steps[place];
      const six = this.values[place];
      for (let node = 0; node < 5; node++) {
        const low = Math.min(six[node], six[node + 1]);
        if (low - Math.abs(six[node] - six[node + 1]) - Math.abs(low) > lowest) continue;
        let [left, right] = [NODES[node], NODES[node + 1]];
        if (!(this.slope(place, left) < 0 && this.slope(place, right) > 0)) continue;
        for (let turn = 0; turn < 50; turn++) {
          const middle = (left + right) / 2;
          if (this.slope(place, middle) < 0) left = middle;
          else right = middle;
        }
        const share = (left + right) / 2;
        const day = days[0] + share * (days[5] - days[0]);
        if (start <= day && day <= end) found.push([day, this.at(place, share), this.piece[place]]);
      }
    }
    const finite = found.filter(([, value]) => Number.isFinite(value));
    if (!finite.length) return [NaN, NaN];
    const least = finite.reduce((low, [, value]) => Math.min(low, value), Infinity);
    const first = finite.reduce((low, [, value, piece]) => (value <= least + NEARLY * Math.abs(least) ? Math.min(low, piece) : low), Infinity);
    let best = null;
    for (const one of finite) if (one[2] === first && (!best || one[1] < best[1] || (one[1] === best[1] && one[0] < best[0]))) best = one;
    return [best[0], best[1]];
  }

  /** The first day in [start, end] with at least `level`; NaN if it never comes. */
  risesTo(level, start, end) {
    if (!(start <= end) || Number.isNaN(level)) return NaN;
    const enough = level > 0 ? level * (1 - 1e-13) : level;
    for (const place of this.window(start, end)) {
      const {days} = this.steps[place];
      if (!(days[0] < start) && !this.values[place].some((value) => value >= enough)) continue;
      const first = days[0] < start ? this.share(place, start) : 0;
      const shares = [first, ...NODES.filter((node) => node > first)];
      const reached = shares.findIndex((share) => this.at(place, share) >= enough);
      if (reached < 0) continue;
      let [left, right] = [shares[Math.max(reached - 1, 0)], shares[reached]];
      for (let turn = 0; turn < 60 && right > left; turn++) {
        const middle = (left + right) / 2;
        if (this.at(place, middle) >= level) right = middle;
        else left = middle;
      }
      const day = days[0] + right * (days[5] - days[0]);
      return day <= end ? day : NaN;
    }
    return NaN;
  }

  /** The value at a day, before its events. */
  before(day) {
    const {steps} = this;
    if (!steps.length || day > steps[steps.length - 1].days[5]) return NaN;
    let [place, above] = [0, steps.length];
    while (above - place > 1) {
      const middle = (place + above) >> 1;
      if (steps[middle].days[0] < day) place = middle;
      else above = middle;
    }
    return this.at(place, this.share(place, day));
  }

  area(start, end) {
    if (!(start < end)) return start === end ? 0 : NaN;
    let sum = 0;
    for (const place of this.window(start, end)) {
      const {days} = this.steps[place];
      const low = days[0] < start ? this.share(place, start) : 0;
      const high = days[5] > end ? this.share(place, end) : 1;
      const half = (high - low) / 2;
      READING.points.forEach((point, index) => {
        sum += half * READING.weights[index] * this.at(place, low + half * (1 + point)) * (days[5] - days[0]);
      });
    }
    return sum;
  }
}

/** What one arm came to: `read(name)` gives {value, observed} of an outcome of the catalogue or a summary, null if it has none. */
class Reader {
  constructor(study, run) {
    this.study = study;
    this.run = run;
    this.columns = new Map();
    this.known = new Map();
    this.end = run.problem.surgery < Infinity ? Math.min(run.last, run.problem.surgery * (1 - 2 ** -52)) : run.last;
    this.start = study.since;
    this.own = run.problem.own;
  }

  /** Put the values at the nodes of these recorded names aside, all in one pass. */
  watch(names) {
    const {model} = this.study;
    const {values, steps, constants} = this.run;
    const missing = [...new Set(names)].filter((name) => !this.columns.has(name));
    const computed = missing.map((name) => model.observables.indexOf(name));
    const states = missing.map((name) => model.states.indexOf(name));
    const columns = missing.map(() => steps.map(() => [0, 0, 0, 0, 0, 0]));
    const any = computed.some((place) => place >= 0);
    const [n, seen] = [model.states.length, new Float64Array(model.observables.length)];
    const y = new Float64Array(n);
    for (let row = 0; row < 6 * steps.length; row++) {
      if (any) {
        for (let j = 0; j < n; j++) y[j] = values[n * row + j];
        model.observe(y, constants, seen);
      }
      const step = Math.floor(row / 6);
      for (let index = 0; index < columns.length; index++) columns[index][step][row - 6 * step] = computed[index] >= 0 ? seen[computed[index]] : values[n * row + states[index]];
    }
    missing.forEach((name, index) => this.columns.set(name, columns[index]));
  }

  nodes(name) {
    const [above, below] = name.split(' / ');
    this.watch(below ? [above, below] : [above]);
    const column = this.columns.get(above);
    if (!below) return column;
    const divisor = this.columns.get(below);
    return column.map((six, place) => six.map((value, node) => value / divisor[place][node]));
  }

  once(key, make) {
    if (!this.known.has(key)) this.known.set(key, make());
    return this.known.get(key);
  }

  has(name) {
    return name.split(' / ').every((part) => this.study.units[part] !== undefined);
  }

  get burden() {
    return this.once('burden', () => {
      const inCells = this.study.units.burden === 'cell';
      const floor = inCells ? COUNTED : -Infinity;
      const values = this.nodes('burden').map((six) => six.map((value) => (value < floor ? 0 : value)));
      return new Interpolant(this.run.steps, values, true, inCells);
    });
  }

  course(name, sign = 1) {
    return this.once(`${sign} ${name}`, () => new Interpolant(this.run.steps, this.nodes(name).map((six) => six.map((value) => sign * value))));
  }

  /** The course of a recorded value as it is drawn: of cells the logarithm is smooth. */
  plain(name) {
    const cells = this.study.units[name] === 'cell';
    return this.once(`plain ${name}`, () => new Interpolant(this.run.steps, this.nodes(name), cells, cells));
  }

  get nadir() {
    return this.once('nadir', () => this.burden.minimum(this.own, this.end));
  }

  get before() {
    return this.once('before', () => this.burden.before(this.own));
  }

  get level() {
    const {rules, units} = this.study;
    if (rules.progression_level !== null) return rules.progression_level;
    const level = rules.progression_from === 'nadir' ? this.nadir[1] : this.before;
    return rules.progression * (units.burden === 'cell' ? Math.max(level, ONE_CELL) : level);
  }

  get progression() {
    return this.once('progression', () => {
      const {rules} = this.study;
      const [day, nadir] = this.nadir;
      if (!(nadir < this.before || nadir > 0)) return NaN;
      const fixed = rules.progression_level !== null || rules.progression_from === 'start';
      return this.burden.risesTo(this.level, fixed ? this.own : day, this.end);
    });
  }

  get courses() {
    return this.once('courses', () => {
      const days = [...new Set(this.run.problem.doses.filter((dose) => this.study.courseAgents.includes(dose.agent)).map((dose) => dose.time))].sort((a, b) => a - b);
      return days.filter((day, index) => (index === 0 || day - days[index - 1] > this.study.rules.course_gap) && day <= this.run.last);
    });
  }

  decades(before, low) {
    if (!(before > 0)) return NaN;
    const floor = this.study.units.burden === 'cell' ? Math.max(low, ONE_CELL) : low > 0 ? low : NaN;
    const fall = Math.log10(before / floor);
    return Math.abs(fall) < ROUNDED ? 0 : fall;
  }

  kill(index) {
    return this.once(`kill ${index}`, () => {
      const day = this.courses[index];
      if (!(day <= this.end)) return NaN;
      const next = this.courses[index + 1];
      const until = next === undefined ? this.end : Math.min(next * (1 - 2 ** -52), this.end);
      return this.decades(this.burden.before(day), this.burden.minimum(day, until)[1]);
    });
  }

  areaOf(names, logarithmic = false) {
    return this.once(`area ${names}`, () => {
      this.watch(names);
      const total = this.run.steps.map((_, place) => [0, 1, 2, 3, 4, 5].map((node) => names.reduce((sum, name) => sum + this.columns.get(name)[place][node], 0)));
      return new Interpolant(this.run.steps, total, logarithmic).area(this.start, this.run.last);
    });
  }

  perCell(kind) {
    const cells = this.areaOf(['active'], true);
    return cells > 0 ? this.areaOf(this.study.flows[kind]) / cells : NaN;
  }

  final(name) {
    const {steps} = this.run;
    return steps.length ? this.nodes(name)[steps.length - 1][5] : NaN;
  }

  summary(kind, of, level) {
    const [start, end] = [this.start, this.run.last];
    switch (kind) {
      case 'peak': return -this.course(of, -1).minimum(start, end)[1];
      case 'lowest': {
        const low = this.course(of).minimum(start, end)[1];
        return low < 0 && low > -ROUNDED ? 0 : low;
      }
      case 'final': return start <= end ? this.final(of) : NaN;
      case 'day_above': return this.course(of).risesTo(level, start, end);
      case 'day_below': return this.course(of, -1).risesTo(-level, start, end);
    }
    const area = this.course(of).area(start, end);
    return kind === 'area' ? area : end > start ? area / (end - start) : NaN;
  }

  peakDay(name) {
    const [day, low] = this.course(name, -1).minimum(this.start, this.run.last);
    const lowest = this.course(name).minimum(this.start, this.run.last)[1];
    return !Number.isFinite(low) || -low - lowest <= FLAT * Math.abs(low) ? NaN : day;
  }

  /** A time: the day that came, or that up to which it was watched for. */
  time(day, until) {
    const seen = !Number.isNaN(day);
    return {value: (seen ? day : until) - this.start, observed: seen};
  }

  read(name) {
    return this.once(`read ${name}`, () => {
      const asked = /^(\w+)\((.+)\)$/.exec(name);
      const found = asked ? this.asked(asked[1], asked[2]) : this.named(name);
      return typeof found === 'number' ? {value: found, observed: true} : found;
    });
  }

  /** Whether a dose was given before the host died, or by the last day. */
  begun = (dose) => dose.time < this.run.last || (this.run.died === null && dose.time === this.run.last);

  asked(kind, inside) {
    const [of, level] = inside.split(', ');
    if (!this.has(of)) return null;
    const value = this.summary(kind, of, Number(level));
    return kind.startsWith('day_') ? this.time(value, this.run.last >= this.start ? this.run.last : NaN) : value;
  }

  named(name) {
    const {study, run} = this;
    const {rules, units} = study;
    const watched = run.last >= this.start ? run.last : NaN;
    if (name === 'survival_time') {
      return this.has(study.hostLoad) ? this.time(run.died !== null && run.died >= this.start ? run.died : NaN, watched) : null;
    }
    if (name.startsWith('given_')) {
      const agent = name.slice(6);
      const doses = run.problem.doses.filter((dose) => dose.agent === agent);
      const share = (dose) => (dose.duration ? Math.min(1, (run.last - dose.time) / dose.duration) : 1);
      return doses.length ? doses.filter(this.begun).reduce((sum, dose) => sum + dose.amount * share(dose), 0) : null;
    }
    const counted = /^(doses|treated_days)_(.+)$/.exec(name);
    if (counted) {
      const doses = run.problem.doses.filter((dose) => dose.agent === counted[2]).filter(this.begun);
      const days = (dose) => (dose.duration ? Math.min(dose.duration, run.last - dose.time) : 1);
      return counted[1] === 'doses' ? doses.length : doses.reduce((sum, dose) => sum + days(dose), 0);
    }
    if (name.startsWith('peak_')) {
      const acting = name.startsWith('peak_acting_');
      const factor = name.slice(acting ? 12 : 5);
      if (acting) return this.has(`excess_${factor}`) ? 1 + this.summary('peak', `excess_${factor}`) : null;
      if (this.has(factor)) return this.summary('peak', factor);
      const of = factor.replace(/_day$/, '');
      return this.has(of) ? this.peakDay(of) - this.start : null;
    }
    if (name === 'metastatic_burden') return this.has(name) ? Math.max(0, this.final(name)) : null;
    if (name === 'seeded') return study.flows.seeding && this.has('metastatic_burden') ? this.areaOf(study.flows.seeding) : null;
    const rate = {mean_growth_rate: 'growth', mean_kill_rate: 'kill', seeding_per_cell: 'seeding'}[name];
    if (rate) return this.has('active') && study.flows[rate] ? this.perCell(rate) : null;
    if (!this.has('burden')) return null;
    const [day, nadir] = this.nadir;
    const course = /^log_kill_(\d+)$/.exec(name);
    if (course) return Number(course[1]) <= this.courses.length ? this.kill(Number(course[1]) - 1) : null;
    switch (name) {
      case 'nadir': return nadir;
      case 'nadir_day': return (this.before - nadir > RESTING * nadir ? day : Number.isFinite(day) ? this.own : NaN) - this.start;
      case 'smallest_share': return this.before > 0 ? nadir / this.before : NaN;
      case 'deepest_fall': return Number.isFinite(nadir) ? this.decades(this.before, nadir) : NaN;
      case 'responded': return Number.isFinite(nadir) ? Number(nadir <= rules.response * this.before) : NaN;
      case 'time_to_progression': return this.time(this.progression, this.end >= this.own ? this.end : NaN);
      case 'regrowth_rate': {
        const again = this.burden.risesTo(rules.regrowth * this.level, this.progression, this.end);
        return again > this.progression ? Math.log(rules.regrowth) / (again - this.progression) : NaN;
      }
      case 'final_burden': return this.burden.values[this.run.steps.length - 1][5];
      case 'burden_area': return this.burden.area(this.start, run.last);
      case 'eradicated': {
        if (units.burden !== 'cell') return NaN;
        const elsewhere = this.has('metastatic_burden') ? this.final('metastatic_burden') : 0;
        return Number(this.read('final_burden').value + Math.max(0, elsewhere) < ONE_CELL);
      }
      case 'courses': return this.courses.length;
      case 'log_kill_first': return this.courses.length ? this.kill(0) : NaN;
      case 'log_kill_last': return this.courses.length ? this.kill(this.courses.length - 1) : NaN;
    }
    return null;
  }
}
