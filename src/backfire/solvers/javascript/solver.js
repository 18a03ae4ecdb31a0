// The solver of a page: from event to event by an explicit pair of order 5, by Rodas5P where that turns stiff.
//
// A port of the reference solver's rules: restart at every dose, values before and after it, extinction at the crossing of
// one cell, the end of an arm where the host dies. Every step is kept by its values at six nodes, from which outcomes are
// read; where only some days are asked for, only these are kept. Arrays are few and last as long as a run, as it makes
// thousands of steps, and every move of a slider hundreds of runs. Nothing here touches the page.

const NODES = [0, 0.2, 0.4, 0.6, 0.8, 1];
const ONE_CELL = 1;
const SETTINGS = {relative: 1e-9, cells: 1e-6, absolute: 1e-11, mostSteps: 200000, days: null};
const NOBODY = [];
// the pair is stable up to 3.3; held back by that alone, its steps go to and fro between 2.8 and 3.7
const EDGE = 2.5;
const PATIENCE = 15;
const PAIR = TABLEAUS.pair;
const [, [A10], [A20, A21], [A30, A31, A32], [A40, A41, A42, A43], [A50, A51, A52, A53, A54]] = PAIR.a;
const [B0, , B2, B3, B4, B5] = PAIR.b;
const [E0, , E2, E3, E4, E5, E6] = PAIR.e;

const positive = (x) => (x <= 0 ? 0 : x);
const step = (x) => (x > 0 ? 1 : 0);
const floored = (x) => (x <= 1e-300 ? 1e-300 : x);
const hill = (x, half, n) => (x <= 0 ? 0 : n === 1 ? x / (x + half) : 1 / (1 + Math.pow(half / x, n)));

class Trouble extends Error {}

/**
 * One arm: `problem` has start, constants, events {time, index, multiply, add} sorted, days, cells, amounts, feeds, load.
 *
 * Its solution has `values`: the state at the six nodes of every step, one after the other, or on every day of the setting
 * `days`, before its events; NaN after a death.
 */
class Run {
  constructor(model, problem, settings) {
    this.model = model;
    this.problem = problem;
    this.settings = {...SETTINGS, ...settings};
    const n = (this.n = model.states.length);
    // one piece of memory for all: asking for every row by itself took longer than many a run
    const rows = new Float64Array(n * (2 * n + 20));
    let row = 0;
    const more = (wide = 1) => new Float64Array(rows.buffer, 8 * n * (row += wide) - 8 * n * wide, n * wide);
    [this.y, this.before, this.atol, this.next, this.inner, this.rate, this.first, this.stage] = Array.from({length: 8}, () => more());
    this.slopes = Array.from({length: 8}, () => more());
    this.bends = Array.from({length: 4}, () => more());
    [this.matrix, this.jacobian] = [more(n), more(n)];
    for (let j = 0; j < n; j++) {
      this.y[j] = problem.cells[j] && problem.start[j] < ONE_CELL ? 0 : problem.start[j];
      this.atol[j] = problem.cells[j] ? this.settings.cells : this.settings.absolute;
    }
    this.k = Float64Array.from(problem.constants);
    this.pivots = new Int32Array(n);
    this.steps = [];
    this.values = new Float64Array(n * (this.settings.days?.length ?? 6 * 64)).fill(NaN);
    this.due = 0;
    this.kept = 0;
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
        const from = next;
        this.before.set(this.y);
        while (next < events.length && events[next].time === start) {
          const {index, multiply, add} = events[next++];
          this.y[index] = this.y[index] * multiply + add;
        }
        for (let given = from; given < next; given++) {
          const {index} = events[given];
          if (this.problem.cells[index] && this.y[index] < ONE_CELL && this.before[index] >= ONE_CELL) this.clear(index, start);
        }
        if (next > from || place === 0) this.fresh = true;
        if (this.load(this.y) >= 1) this.died = start;
        if (start === days || this.died !== null) this.keep(start, start, 0);
        else this.advance(start, edges[place + 1]);
      }
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      this.status = error.message;
    }
    return {steps: this.steps, values: this.values, died: this.died, status: this.status, extinctions: this.extinctions, constants: this.k};
  }

  clear(index, day) {
    this.y[index] = 0;
    this.extinctions.push([this.model.states[index], day]);
    for (const fed of this.problem.feeds[index]) {
      if (this.problem.cells[fed] && this.y[fed] < ONE_CELL) this.y[fed] = 0;
    }
  }

  load(y) {
    return this.problem.load ? this.problem.load(y, this.k) : 0;
  }

  /** Keep the last step up to a share of it, `end`: by its nodes, or by the days in it that are asked for. */
  keep(start, end, most, course = this.dense) {
    const {days} = this.settings;
    if (days) {
      for (; days[this.due] <= end; this.due++) this.put(course, end > start ? most * (days[this.due] - start) / (end - start) : 0);
      return;
    }
    const span = end - start;
    this.steps.push({days: [start, start + span * NODES[1], start + span * NODES[2], start + span * NODES[3], start + span * NODES[4], end], fresh: this.fresh});
    for (let node = 0; node < 6; node++) this.put(course, most * NODES[node]);
    this.fresh = false;
  }

  /** Add the state at a share of the last step to the values that are kept. */
  put(course, share) {
    const {n, inner} = this;
    const {amounts} = this.problem;
    const at = this.settings.days ? n * this.due : n * this.kept++;
    if (at === this.values.length) {
      const more = new Float64Array(2 * at);
      more.set(this.values);
      this.values = more;
    }
    course.call(this, share, inner);
    for (let j = 0; j < n; j++) this.values[at + j] = amounts[j] && inner[j] < 0 ? 0 : inner[j];
  }

  rates(y, out) {
    this.model.rates(y, this.k, out);
    let sum = 0;
    for (let j = 0; j < this.n; j++) sum += out[j];
    return Number.isFinite(sum);
  }

  advance(start, end) {
    let day = start;
    while (day < end && this.died === null) {
      if (end - day < 1e-10 * Math.max(1, end)) {
        const {n, y, rate} = this;
        const along = (share, out) => { for (let j = 0; j < n; j++) out[j] = y[j] + share * (end - day) * rate[j]; };
        this.rates(y, rate);
        this.keep(day, end, 1, along);
        along(1, y);
        return;
      }
      day = this.leg(day, end);
    }
  }

  /** From a day to the next event or extinction; gives the day reached. */
  leg(start, end) {
    let day = start;
    let h = this.firstStep(end - start);
    this.differentiated = false;
    let suspicious = 0;
    let calm = false;
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
      suspicious = !this.stiff && h * this.fastest > EDGE ? suspicious + 1 : 0;
      const reached = this.accept(day, until);
      if (this.stopped) return reached;
      const method = this.stiff;
      if (suspicious > PATIENCE) this.stiff = true;
      else if (this.stiff && h * this.norm() < 1) this.stiff = false;
      if (method !== this.stiff) this.known = false;
      day = until;
      h *= calm ? Math.min(1, factor) : factor;
      calm = false;
    }
    return end;
  }

  /** A step in which no state moves by more than a few percent of itself; as an error of order 5 allows, by more where less is asked. */
  firstStep(span) {
    const {n, y, atol} = this;
    const {relative} = this.settings;
    const rate = this.slopes[0];
    if (!this.rates(y, rate)) throw new Trouble('nonfinite');
    this.known = !this.stiff;
    let fastest = 1e-300;
    for (let j = 0; j < n; j++) fastest = Math.max(fastest, Math.abs(rate[j]) / (Math.abs(y[j]) + atol[j] / relative));
    return Math.min(span, 0.03 * Math.pow(relative / SETTINGS.relative, 0.2) / fastest);
  }

  tooNegative() {
    for (let j = 0; j < this.n; j++) {
      if (this.problem.amounts[j] && this.next[j] < -10 * (this.atol[j] + this.settings.relative)) return true;
    }
    return false;
  }

  /** One attempt of the explicit pair; `next` is where it leads, `fastest` the rate that its last two stages show. */
  pair(h) {
    const {n, y, inner, next, stage, atol} = this;
    const {relative} = this.settings;
    const {0: k0, 1: k1, 2: k2, 3: k3, 4: k4, 5: k5, 6: k6} = this.slopes;
    if (!this.known && !this.rates(y, k0)) return Infinity;
    this.known = true;
    for (let j = 0; j < n; j++) inner[j] = y[j] + h * (A10 * k0[j]);
    if (!this.rates(inner, k1)) return Infinity;
    for (let j = 0; j < n; j++) inner[j] = y[j] + h * (A20 * k0[j] + A21 * k1[j]);
    if (!this.rates(inner, k2)) return Infinity;
    for (let j = 0; j < n; j++) inner[j] = y[j] + h * (A30 * k0[j] + A31 * k1[j] + A32 * k2[j]);
    if (!this.rates(inner, k3)) return Infinity;
    for (let j = 0; j < n; j++) inner[j] = y[j] + h * (A40 * k0[j] + A41 * k1[j] + A42 * k2[j] + A43 * k3[j]);
    if (!this.rates(inner, k4)) return Infinity;
    for (let j = 0; j < n; j++) stage[j] = y[j] + h * (A50 * k0[j] + A51 * k1[j] + A52 * k2[j] + A53 * k3[j] + A54 * k4[j]);
    if (!this.rates(stage, k5)) return Infinity;
    for (let j = 0; j < n; j++) next[j] = y[j] + h * (B0 * k0[j] + B2 * k2[j] + B3 * k3[j] + B4 * k4[j] + B5 * k5[j]);
    if (!this.rates(next, k6)) return Infinity;
    let total = 0;
    let above = 0;
    let below = 0;
    for (let j = 0; j < n; j++) {
      const scale = 1 / (atol[j] + relative * Math.max(Math.abs(y[j]), Math.abs(next[j])));
      const error = scale * h * (E0 * k0[j] + E2 * k2[j] + E3 * k3[j] + E4 * k4[j] + E5 * k5[j] + E6 * k6[j]);
      const rise = scale * (k6[j] - k5[j]);
      const way = scale * (next[j] - stage[j]);
      total += error * error;
      above += rise * rise;
      below += way * way;
    }
    this.fastest = below > 0 ? Math.sqrt(above / below) : 0;
    this.h = h;
    return Math.sqrt(total / n);
  }

  /** The Jacobian of the state, once. */
  differentiate() {
    if (!this.differentiated) this.model.jacobian(this.y, this.k, this.jacobian);
    this.differentiated = true;
  }

  /** The largest sum of a row of the Jacobian, each state in its own scale: no rate of the model is faster. */
  norm() {
    const {n, y, first} = this;
    this.differentiate();
    for (let j = 0; j < n; j++) first[j] = Math.abs(y[j]) + this.atol[j] / this.settings.relative;
    let most = 0;
    for (let i = 0; i < n; i++) {
      let sum = 0;
      for (let j = 0; j < n; j++) sum += Math.abs(this.jacobian[i * n + j]) * first[j] / first[i];
      most = Math.max(most, sum);
    }
    return Number.isFinite(most) ? most : Infinity;
  }

  /** One attempt of Rodas5P: W = 1/γ - h·J, factorised once. */
  rosenbrock(h) {
    const {gamma, a, c} = TABLEAUS.rodas;
    const {n, y, slopes, inner, next, matrix, rate, atol} = this;
    const {relative} = this.settings;
    this.differentiate();
    for (let i = 0; i < n * n; i++) matrix[i] = -h * this.jacobian[i];
    for (let i = 0; i < n; i++) matrix[i * n + i] += 1 / gamma;
    if (!this.factorise()) return Infinity;
    for (let s = 0; s < 8; s++) {
      const own = slopes[s];
      inner.set(y);
      own.fill(0);
      for (let i = 0; i < s; i++) {
        const before = slopes[i];
        const move = a[s][i];
        const turn = c[s][i];
        for (let j = 0; j < n; j++) {
          inner[j] += move * before[j];
          own[j] += turn * before[j];
        }
      }
      if (!this.rates(inner, rate)) return Infinity;
      for (let j = 0; j < n; j++) own[j] += h * rate[j];
      this.solveFor(own);
    }
    let total = 0;
    for (let j = 0; j < n; j++) {
      const error = slopes[7][j];
      next[j] = inner[j] + error;
      total += (error / (atol[j] + relative * Math.max(Math.abs(y[j]), Math.abs(next[j])))) ** 2;
    }
    this.h = h;
    return Math.sqrt(total / n);
  }

  factorise() {
    const {n, matrix, pivots} = this;
    for (let c = 0; c < n; c++) {
      let best = c;
      for (let r = c + 1; r < n; r++) if (Math.abs(matrix[r * n + c]) > Math.abs(matrix[best * n + c])) best = r;
      if (!(Math.abs(matrix[best * n + c]) > 0)) return false;
      pivots[c] = best;
      for (let j = 0; best !== c && j < n; j++) {
        const held = matrix[c * n + j];
        matrix[c * n + j] = matrix[best * n + j];
        matrix[best * n + j] = held;
      }
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
    for (let c = 0; c < n; c++) {
      const held = x[c];
      x[c] = x[pivots[c]];
      x[pivots[c]] = held;
    }
    for (let r = 1; r < n; r++) {
      let sum = x[r];
      for (let j = 0; j < r; j++) sum -= matrix[r * n + j] * x[j];
      x[r] = sum;
    }
    for (let r = n - 1; r >= 0; r--) {
      let sum = x[r];
      for (let j = r + 1; j < n; j++) sum -= matrix[r * n + j] * x[j];
      x[r] = sum / matrix[r * n + r];
    }
  }

  /** The state at a share of the step that was just made, from the dense output of its method. */
  dense(share, out) {
    const {n, y, next, bends, h} = this;
    if (share === 0 || share === 1) {
      out.set(share === 0 ? y : next);
      return out;
    }
    this.bend();
    const {0: p, 1: q, 2: r, 3: s} = bends;
    if (this.stiff) for (let j = 0; j < n; j++) out[j] = (1 - share) * y[j] + share * (next[j] + (1 - share) * (p[j] + share * (q[j] + share * r[j])));
    else for (let j = 0; j < n; j++) out[j] = y[j] + h * share * (p[j] + share * (q[j] + share * (r[j] + share * s[j])));
    return out;
  }

  /** The polynomials of the last step, once. */
  bend() {
    if (this.bent === this.count) return;
    this.bent = this.count;
    const {n, slopes, bends} = this;
    for (let b = 0; b < (this.stiff ? 3 : 4); b++) {
      const bend = bends[b].fill(0);
      for (let i = 0; i < (this.stiff ? 8 : 7); i++) {
        const slope = slopes[i];
        const weight = this.stiff ? TABLEAUS.rodas.h[b][i] : PAIR.p[i][b];
        if (weight !== 0) for (let j = 0; j < n; j++) bend[j] += weight * slope[j];
      }
    }
  }

  /** Keep the step that was just made, or as much of it as counts; gives the day reached. */
  accept(day, until) {
    const [share, dead] = this.crossing();
    const death = this.death(share);
    const ends = death ?? share;
    const reached = ends === 1 ? until : day + ends * (until - day);
    this.stopped = death !== null || dead.length > 0;
    this.keep(day, reached, ends);
    if (ends < 1) this.next.set(this.dense(ends, this.inner));
    [this.y, this.next] = [this.next, this.y];
    this.differentiated = false;
    if (death !== null) this.died = reached;
    else if (dead.length) {
      for (const index of dead) this.clear(index, reached);
      this.fresh = true;
    } else if (!this.stiff) [this.slopes[0], this.slopes[6]] = [this.slopes[6], this.slopes[0]];
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
    if (found < 0) return [1, NOBODY];
    const state = this.dense(share, this.inner);
    const dead = [];
    for (let j = 0; j < this.n; j++) {
      if (j === found || (this.problem.cells[j] && state[j] < ONE_CELL && this.y[j] >= ONE_CELL)) dead.push(j);
    }
    return [share, dead];
  }

  /** The share of the step at which the host load reaches 1; null if it does not before `most`. */
  death(most) {
    if (!this.problem.load) return null;
    for (let node = 1; node < 6; node++) {
      let high = NODES[node] * most;
      if (this.load(this.dense(high, this.inner)) < 1) continue;
      let low = NODES[node - 1] * most;
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
