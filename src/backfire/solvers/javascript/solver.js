// The solver of a page: from event to event by an explicit pair of order 5, by Rodas5P where that turns stiff.
//
// A port of the reference solver's rules: restart at every dose, values before and after it, extinction at the crossing of
// one cell, the end of an arm where the host dies. Every step is kept by its values at six nodes, from which outcomes are
// read. Nothing here touches the page.

const NODES = [0, 0.2, 0.4, 0.6, 0.8, 1];
const ONE_CELL = 1;
const SETTINGS = {relative: 1e-9, cells: 1e-6, absolute: 1e-11, mostSteps: 200000};

const positive = (x) => (x <= 0 ? 0 : x);
const step = (x) => (x > 0 ? 1 : 0);
const floored = (x) => (x <= 1e-300 ? 1e-300 : x);
const hill = (x, half, n) => (x <= 0 ? 0 : 1 / (1 + Math.pow(half / x, n)));

class Trouble extends Error {}

/** One arm: `problem` has start, constants, events {time, index, multiply, add} sorted, days, cells, amounts, feeds, load. */
class Run {
  constructor(model, problem, settings) {
    this.model = model;
    this.problem = problem;
    this.settings = {...SETTINGS, ...settings};
    const n = (this.n = model.states.length);
    this.y = Float64Array.from(problem.start, (value, j) => (problem.cells[j] && value < ONE_CELL ? 0 : value));
    this.k = Float64Array.from(problem.constants);
    this.atol = Float64Array.from(problem.cells, (cells) => (cells ? this.settings.cells : this.settings.absolute));
    this.slopes = Array.from({length: 8}, () => new Float64Array(n));
    [this.next, this.inner, this.rate, this.first, this.stage] = Array.from({length: 5}, () => new Float64Array(n));
    this.matrix = new Float64Array(n * n);
    this.seen = new Float64Array(model.observables.length);
    this.bends = Array.from({length: 4}, () => new Float64Array(n));
    this.steps = [];
    this.count = 0;
    this.stiff = false;
    this.died = null;
    this.status = 'ok';
    this.extinctions = [];
  }

  solution() {
    const {events, days} = this.problem;
    const edges = [...new Set([0, days, ...events.map((event) => event.time)])].sort((a, b) => a - b);
    try {
      let next = 0;
      for (let place = 0; place < edges.length && this.died === null; place++) {
        const start = edges[place];
        const before = Float64Array.from(this.y);
        const from = next;
        while (next < events.length && events[next].time === start) {
          const {index, multiply, add} = events[next++];
          this.y[index] = this.y[index] * multiply + add;
        }
        for (let given = from; given < next; given++) {
          const {index} = events[given];
          if (this.problem.cells[index] && this.y[index] < ONE_CELL && before[index] >= ONE_CELL) this.clear(index, start);
        }
        if (next > from || place === 0) this.fresh = true;
        if (this.load(this.y) >= 1) this.died = start;
        if (start === days || this.died !== null) this.keep(start, start, () => this.y);
        else this.advance(start, edges[place + 1]);
      }
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      this.status = error.message;
    }
    return {steps: this.steps, died: this.died, status: this.status, extinctions: this.extinctions, constants: this.k};
  }

  clear(index, day) {
    this.y[index] = 0;
    this.extinctions.push([this.model.states[index], day]);
    for (const fed of this.problem.feeds[index]) {
      if (this.problem.cells[fed] && this.y[fed] < ONE_CELL) this.y[fed] = 0;
    }
  }

  load(y) {
    if (this.problem.load < 0) return 0;
    this.model.observe(y, this.k, this.seen);
    return this.seen[this.problem.load];
  }

  keep(start, end, course) {
    const days = NODES.map((share) => start + (end - start) * share);
    days[5] = end;
    const {amounts} = this.problem;
    const values = NODES.map((share) => {
      const kept = new Float64Array(course(share));
      for (let j = 0; j < this.n; j++) if (amounts[j] && kept[j] < 0) kept[j] = 0;
      return kept;
    });
    this.steps.push({days, values, fresh: this.fresh});
    this.fresh = false;
  }

  rates(y, out) {
    this.model.rates(y, this.k, out);
    for (let j = 0; j < this.n; j++) if (!Number.isFinite(out[j])) return false;
    return true;
  }

  advance(start, end) {
    let day = start;
    while (day < end && this.died === null) {
      if (end - day < 1e-10 * Math.max(1, end)) {
        const before = Float64Array.from(this.y);
        this.rates(this.y, this.rate);
        for (let j = 0; j < this.n; j++) this.y[j] += (end - day) * this.rate[j];
        this.keep(day, end, (share) => before.map((x, j) => x + share * (this.y[j] - x)));
        return;
      }
      day = this.leg(day, end);
    }
  }

  /** From a day to the next event or extinction; gives the day reached. */
  leg(start, end) {
    let day = start;
    let h = this.firstStep(end - start);
    let suspicious = 0;
    let calm = false;
    this.known = false;
    while (day < end) {
      if (++this.count > this.settings.mostSteps) throw new Trouble('max_steps');
      const last = 1.01 * h >= end - day;
      if (last) h = end - day;
      else if (2 * h > end - day) h = 0.5 * (end - day);
      const error = this.stiff ? this.rosenbrock(h) : this.pair(h);
      const negative = error <= 1 && this.tooNegative();
      const factor = error === 0 ? 8 : Math.min(8, Math.max(0.2, 0.9 * Math.pow(error, -0.2)));
      if (!(error <= 1) || negative) {
        h *= Number.isFinite(error) && !negative ? Math.min(factor, 0.9) : 0.25;
        calm = true;
        if (h < 1e-14 * Math.max(1, day)) throw new Trouble(negative ? 'negative_state' : Number.isFinite(error) ? 'step_too_small' : 'nonfinite');
        continue;
      }
      const until = last ? end : day + h;
      suspicious = !this.stiff && h * this.fastest > 3.25 ? suspicious + 1 : 0;
      const reached = this.accept(day, until);
      if (this.stopped) return reached;
      const method = this.stiff;
      if (suspicious > 15) this.stiff = true;
      else if (this.stiff && h * this.norm() < 1) this.stiff = false;
      if (method !== this.stiff) this.known = false;
      day = until;
      h *= calm ? Math.min(1, factor) : factor;
      calm = false;
    }
    return end;
  }

  /** A step in which no state moves by more than a few percent of itself. */
  firstStep(span) {
    if (!this.rates(this.y, this.rate)) throw new Trouble('nonfinite');
    let fastest = 0;
    for (let j = 0; j < this.n; j++) {
      fastest = Math.max(fastest, Math.abs(this.rate[j]) / (Math.abs(this.y[j]) + this.atol[j] / this.settings.relative));
    }
    return Math.min(span, 0.03 / Math.max(fastest, 1e-300));
  }

  tooNegative() {
    for (let j = 0; j < this.n; j++) {
      if (this.problem.amounts[j] && this.next[j] < -10 * (this.atol[j] + this.settings.relative)) return true;
    }
    return false;
  }

  scale(j) {
    return this.atol[j] + this.settings.relative * Math.max(Math.abs(this.y[j]), Math.abs(this.next[j]));
  }

  /** One attempt of the explicit pair; `next` is where it leads, `fastest` the rate that its last two stages show. */
  pair(h) {
    const {a, b, e} = TABLEAUS.pair;
    const {n, y, slopes, inner, next} = this;
    if (!this.known && !this.rates(y, slopes[0])) return Infinity;
    this.known = true;
    for (let s = 1; s < 7; s++) {
      const row = s < 6 ? a[s] : b;
      const target = s < 6 ? inner : next;
      if (s === 6) this.stage.set(inner);
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let i = 0; i < s; i++) sum += row[i] * slopes[i][j];
        target[j] = y[j] + h * sum;
      }
      if (!this.rates(target, slopes[s])) return Infinity;
    }
    let total = 0;
    let above = 0;
    let below = 0;
    for (let j = 0; j < n; j++) {
      let error = 0;
      for (let i = 0; i < 7; i++) error += e[i] * slopes[i][j];
      const scale = this.scale(j);
      total += (h * error / scale) ** 2;
      above += ((slopes[6][j] - slopes[5][j]) / scale) ** 2;
      below += ((next[j] - this.stage[j]) / scale) ** 2;
    }
    this.fastest = below > 0 ? Math.sqrt(above / below) : 0;
    this.h = h;
    return Math.sqrt(total / n);
  }

  /** The largest sum of a row of the Jacobian, each state in its own scale: no rate of the model is faster. */
  norm() {
    const {n, y, first} = this;
    this.model.jacobian(y, this.k, this.matrix);
    for (let j = 0; j < n; j++) first[j] = Math.abs(y[j]) + this.atol[j] / this.settings.relative;
    let most = 0;
    for (let i = 0; i < n; i++) {
      let sum = 0;
      for (let j = 0; j < n; j++) sum += Math.abs(this.matrix[i * n + j]) * first[j] / first[i];
      most = Math.max(most, sum);
    }
    return Number.isFinite(most) ? most : Infinity;
  }

  /** One attempt of Rodas5P: W = 1/γ - h·J, factorised once. */
  rosenbrock(h) {
    const {gamma, a, c} = TABLEAUS.rodas;
    const {n, y, slopes, inner, next, matrix, rate} = this;
    this.model.jacobian(y, this.k, matrix);
    for (let i = 0; i < n * n; i++) matrix[i] *= -h;
    for (let i = 0; i < n; i++) matrix[i * n + i] += 1 / gamma;
    if (!this.factorise()) return Infinity;
    for (let s = 0; s < 8; s++) {
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let i = 0; i < s; i++) sum += a[s][i] * slopes[i][j];
        inner[j] = y[j] + sum;
      }
      if (!this.rates(inner, rate)) return Infinity;
      for (let j = 0; j < n; j++) {
        let sum = h * rate[j];
        for (let i = 0; i < s; i++) sum += c[s][i] * slopes[i][j];
        slopes[s][j] = sum;
      }
      this.solveFor(slopes[s]);
    }
    let total = 0;
    for (let j = 0; j < n; j++) {
      next[j] = inner[j] + slopes[7][j];
      total += (slopes[7][j] / this.scale(j)) ** 2;
    }
    this.h = h;
    return Math.sqrt(total / n);
  }

  factorise() {
    const {n, matrix} = this;
    this.pivots = [];
    for (let c = 0; c < n; c++) {
      let best = c;
      for (let r = c + 1; r < n; r++) if (Math.abs(matrix[r * n + c]) > Math.abs(matrix[best * n + c])) best = r;
      if (!(Math.abs(matrix[best * n + c]) > 0)) return false;
      this.pivots.push(best);
      if (best !== c) for (let j = 0; j < n; j++) [matrix[c * n + j], matrix[best * n + j]] = [matrix[best * n + j], matrix[c * n + j]];
      for (let r = c + 1; r < n; r++) {
        const share = matrix[r * n + c] / matrix[c * n + c];
        matrix[r * n + c] = share;
        if (share !== 0) for (let j = c + 1; j < n; j++) matrix[r * n + j] -= share * matrix[c * n + j];
      }
    }
    return true;
  }

  solveFor(x) {
    const {n, matrix, pivots} = this;
    for (let c = 0; c < n; c++) [x[c], x[pivots[c]]] = [x[pivots[c]], x[c]];
    for (let r = 1; r < n; r++) for (let j = 0; j < r; j++) x[r] -= matrix[r * n + j] * x[j];
    for (let r = n - 1; r >= 0; r--) {
      for (let j = r + 1; j < n; j++) x[r] -= matrix[r * n + j] * x[j];
      x[r] /= matrix[r * n + r];
    }
  }

  /** The state at a share of the step that was just made, from the dense output of its method. */
  dense(share, out) {
    const {n, y, next, slopes, bends, h} = this;
    if (share === 0 || share === 1) {
      out.set(share === 0 ? y : next);
      return out;
    }
    if (this.bent !== this.count) {
      this.bent = this.count;
      const rows = this.stiff ? TABLEAUS.rodas.h : TABLEAUS.pair.p;
      for (let b = 0; b < (this.stiff ? 3 : 4); b++) {
        for (let j = 0; j < n; j++) {
          let sum = 0;
          for (let i = 0; i < (this.stiff ? 8 : 7); i++) sum += (this.stiff ? rows[b][i] : rows[i][b]) * slopes[i][j];
          bends[b][j] = sum;
        }
      }
    }
    for (let j = 0; j < n; j++) {
      const [p, q, r, s] = [bends[0][j], bends[1][j], bends[2][j], bends[3][j]];
      out[j] = this.stiff
        ? (1 - share) * y[j] + share * (next[j] + (1 - share) * (p + share * (q + share * r)))
        : y[j] + h * share * (p + share * (q + share * (r + share * s)));
    }
    return out;
  }

  /** Keep the step that was just made, or as much of it as counts; gives the day reached. */
  accept(day, until) {
    const [share, dead] = this.crossing();
    let ends = share;
    const death = this.death(share);
    if (death !== null) ends = death;
    const reached = ends === 1 ? until : day + ends * (until - day);
    this.stopped = death !== null || dead.length > 0;
    this.keep(day, reached, (part) => this.dense(part * ends, this.inner));
    const after = Float64Array.from(this.dense(ends, this.inner));
    this.y.set(after);
    if (death !== null) this.died = reached;
    else if (dead.length) {
      for (const index of dead) this.clear(index, reached);
      this.fresh = true;
    } else if (!this.stiff) this.slopes[0].set(this.slopes[6]);
    return reached;
  }

  /** [share of the step, compartments] of the first fall through one cell; [1, none] if there is none. */
  crossing() {
    let share = 1;
    let found = -1;
    for (let j = 0; j < this.n; j++) {
      if (!this.problem.cells[j] || Math.min(this.y[j], this.next[j]) >= 3 * ONE_CELL || Math.max(this.y[j], this.next[j]) < ONE_CELL) continue;
      let low = 0;
      let level = this.y[j];
      for (let point = 1; point <= 11; point++) {
        let high = point / 11;
        const ahead = this.dense(high, this.inner)[j];
        if (level >= ONE_CELL && ahead < ONE_CELL) {
          for (let turn = 0; turn < 60; turn++) {
            const middle = 0.5 * (low + high);
            if (this.dense(middle, this.inner)[j] >= ONE_CELL) low = middle;
            else high = middle;
          }
          if (high < share || found < 0) [share, found] = [high, j];
          break;
        }
        [low, level] = [point / 11, ahead];
      }
    }
    if (found < 0) return [1, []];
    const state = this.dense(share, this.inner);
    const dead = [];
    for (let j = 0; j < this.n; j++) {
      if (j === found || (this.problem.cells[j] && state[j] < ONE_CELL && this.y[j] >= ONE_CELL)) dead.push(j);
    }
    return [share, dead];
  }

  /** The share of the step at which the host load reaches 1; null if it does not before `most`. */
  death(most) {
    if (this.problem.load < 0) return null;
    for (let node = 1; node < 6; node++) {
      let [low, high] = [NODES[node - 1] * most, NODES[node] * most];
      if (this.load(this.dense(high, this.inner)) < 1) continue;
      for (let turn = 0; turn < 60; turn++) {
        const middle = 0.5 * (low + high);
        if (this.load(this.dense(middle, this.inner)) >= 1) high = middle;
        else low = middle;
      }
      return high;
    }
    return null;
  }
}

const solveArm = (model, problem, settings) => new Run(model, problem, settings).solution();
