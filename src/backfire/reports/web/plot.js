// Curves of arms over days as SVG: axes, lines in the looks of the arms, doses that can be dragged, bands where there are any.

const SVG = 'http://www.w3.org/2000/svg';
const PLOT = {left: 64, right: 14, foot: 40, head: 26, row: 17};

function drawn(parent, name, attributes = {}, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) if (value !== null) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  parent?.append(element);
  return element;
}

/** Round places between two numbers: at most `most`, or powers of ten on a logarithmic axis. */
function ticks(low, high, most, log) {
  if (log) {
    const [first, last] = [Math.ceil(Math.log10(low) - 1e-9), Math.floor(Math.log10(high) + 1e-9)];
    const every = Math.max(1, Math.ceil((last - first + 1) / most));
    const powers = [];
    for (let power = first; power <= last; power += every) powers.push(10 ** power);
    if (powers.length > 1) return powers;
  }
  const rough = (high - low) / most || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const size = power * ([1, 2, 5, 10].find((one) => one * power >= rough) ?? 10);
  const places = [];
  for (let place = Math.ceil(low / size - 1e-9); place * size <= high * (1 + 1e-9); place++) places.push(place * size);
  return places;
}

const raised = (power) => [...String(power)].map((digit) => '⁰¹²³⁴⁵⁶⁷⁸⁹'[digit] ?? '⁻').join('');

/** A number as people write it: 0.12, 87, 1.2·10⁸. */
function short(value, digits = 3) {
  if (!Number.isFinite(value)) return '–';
  if (value !== 0 && (Math.abs(value) >= 1e4 || Math.abs(value) < 1e-3)) {
    const [mantissa, power] = value.toExponential(digits - 1).split('e');
    const plain = String(Number(mantissa));
    return `${plain === '1' ? '' : `${plain}·`}10${raised(Number(power))}`;
  }
  return String(Number(value.toPrecision(digits)));
}

/** A plot of `lines` [{name, look, points: [[day, value], …]}]; `bands` [{look, low, high}] are drawn below them. */
function plot(svg, {title, unit, days, log, lines, bands = [], doses = [], floor = 0}) {
  const head = PLOT.head + doses.length * PLOT.row;
  const height = head + 250 + PLOT.foot;
  const width = Math.max(320, Math.round(svg.parentNode?.clientWidth || 720));
  svg.replaceChildren();
  svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
  let [low, high] = [Infinity, -Infinity];
  for (const {points} of [...lines, ...bands.flatMap((band) => [{points: band.low}, {points: band.high}])]) {
    for (const [, value] of points) {
      if (!Number.isFinite(value) || (log && value < floor)) continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  if (!(low <= high)) [low, high] = log ? [1, 10] : [0, 1];
  if (log) [low, high] = [Math.max(floor, low / 2), Math.max(high * 2, low * 10)];
  else {
    low = Math.min(0, low);
    high = high > low ? high + 0.04 * (high - low) : low + 1;
  }
  const [inner, tall] = [width - PLOT.left - PLOT.right, 250];
  const x = (day) => PLOT.left + (day / days) * inner;
  const scaled = log ? (value) => Math.log(value / low) / Math.log(high / low) : (value) => (value - low) / (high - low);
  const y = (value) => head + tall * (1 - Math.min(1.02, Math.max(-0.01, scaled(value))));
  drawn(svg, 'title', {}, `${title}, by arm, over ${days} days`);
  drawn(svg, 'text', {x: 4, y: 15, class: 'title'}, unit ? `${title} (${unit})` : title);
  for (const value of ticks(low, high, 6, log)) {
    drawn(svg, 'line', {class: 'grid', x1: PLOT.left, x2: width - PLOT.right, y1: y(value), y2: y(value)});
    drawn(svg, 'text', {x: PLOT.left - 6, y: y(value) + 4, 'text-anchor': 'end'}, short(value));
  }
  for (const day of ticks(0, days, width > 500 ? 8 : 4, false)) {
    drawn(svg, 'line', {class: 'axis', x1: x(day), x2: x(day), y1: head + tall, y2: head + tall + 5});
    drawn(svg, 'text', {x: x(day), y: head + tall + 19, 'text-anchor': 'middle'}, short(day));
  }
  drawn(svg, 'line', {class: 'axis', x1: PLOT.left, x2: width - PLOT.right, y1: head + tall, y2: head + tall});
  drawn(svg, 'text', {x: PLOT.left + inner / 2, y: height - 5, 'text-anchor': 'middle'}, 'day');
  for (const {look, low: below, high: above} of bands) {
    const outline = [...above, ...[...below].reverse()].map(([day, value]) => `${x(day).toFixed(1)},${y(value).toFixed(1)}`);
    drawn(svg, 'polygon', {class: 'band', fill: look.colour, points: outline.join(' ')});
  }
  for (const {look, points} of lines) drawn(svg, 'path', {class: 'line', stroke: look.colour, 'stroke-width': 2.3, 'stroke-dasharray': dashed(look), d: pathOf(points, x, y, log ? floor : -Infinity)});
  doses.forEach((row, place) => doseRow(svg, row, PLOT.head + place * PLOT.row + 4, x, days, inner, width));
}

const dashed = ({dashes}) => (dashes ? dashes.map((one) => 2.3 * one).join(' ') : null);

/** A path that leaves out what no eye could see, and ends where a value falls below `floor`. */
function pathOf(points, x, y, floor) {
  let text = '';
  let pen = false;
  let [lastX, lastY] = [-9, -9];
  points.forEach(([day, value], place) => {
    if (!(value >= floor)) {
      pen = false;
      return;
    }
    const [a, b] = [x(day), y(value)];
    if (pen && Math.abs(a - lastX) + Math.abs(b - lastY) < 0.7 && place < points.length - 1) return;
    text += `${pen ? 'L' : 'M'}${a.toFixed(1)} ${b.toFixed(1)}`;
    [pen, lastX, lastY] = [true, a, b];
  });
  return text;
}

/** One regimen as a row of doses; dragging it, or an arrow key on it, moves the day of its first dose. */
function doseRow(svg, {name, label, spans, start, move}, top, x, days, inner, width) {
  const group = drawn(svg, 'g', {tabindex: 0, role: 'slider', 'aria-label': `first day of ${label}`, 'aria-valuenow': start, 'aria-valuemin': 0, 'aria-valuemax': days, 'data-regimen': name});
  const wide = spans.length > inner / 7;
  const marks = wide ? [[spans[0][0], spans[spans.length - 1][1]]] : spans;
  for (const [from, to] of marks) drawn(group, 'rect', {class: 'dose', x: x(from) - 1.5, y: top, width: Math.max(3, x(to) - x(from)), height: 10, rx: 1});
  const [first, last] = [x(spans[0]?.[0] ?? start), x(spans[spans.length - 1]?.[1] ?? start)];
  drawn(group, 'rect', {class: 'handle', x: first - 9, y: top - 4, width: last - first + 18, height: 18});
  const long = label.length * 6.5 + 8;
  const beside = last + long < width ? {x: last + 8} : first > long ? {x: first - 8, 'text-anchor': 'end'} : {x: first + 5, class: 'upon'};
  drawn(group, 'text', {y: top + 9, ...beside}, label);
  const perPixel = () => days / inner * (width / svg.getBoundingClientRect().width);
  group.addEventListener('pointerdown', (event) => {
    event.preventDefault();
    const from = event.clientX;
    const dragged = (moved) => move(start + (moved.clientX - from) * perPixel(), false);
    const dropped = (moved) => {
      window.removeEventListener('pointermove', dragged);
      window.removeEventListener('pointerup', dropped);
      move(start + (moved.clientX - from) * perPixel(), true);
    };
    window.addEventListener('pointermove', dragged);
    window.addEventListener('pointerup', dropped);
  });
  group.addEventListener('keydown', (event) => {
    const by = {ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1}[event.key];
    if (!by) return;
    event.preventDefault();
    move(start + by, true);
  });
}
