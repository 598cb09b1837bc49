// A line over time on a canvas: axes, area, and the value under the pointer. No library.

const LEFT = 40; // these in pixels: room for the labels
const BOTTOM = 22;
const TOP = 8;
const RIGHT = 8;

// A round number that is not less.
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value);
}

// points: [milliseconds, value] pairs in order; from, to: the milliseconds at the edges; floor: the least top of the
// scale; hover: where the pointer is, in pixels, if it is there.
export function draw(canvas, points, { from, to, floor, hover }) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const ratio = window.devicePixelRatio || 1;
  const [wide, high] = [width, height].map((size) => Math.round(size * ratio));
  if (canvas.width !== wide || canvas.height !== high) [canvas.width, canvas.height] = [wide, high];
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  const style = getComputedStyle(canvas);
  const [line, text, grid] = ["--accent", "--muted", "--line"].map((name) => colour(canvas, style, name));

  const top = ceiling(Math.max(floor, ...points.map(([, value]) => value)));
  const x = (time) => LEFT + (time - from) / (to - from) * (width - LEFT - RIGHT);
  const y = (value) => height - BOTTOM - value / top * (height - BOTTOM - TOP);

  pen.font = `12px ${style.fontFamily}`;
  pen.lineWidth = 1;
  pen.textBaseline = "middle";
  pen.textAlign = "right";
  for (const part of [0, 0.5, 1]) {
    const at = Math.round(y(top * part)) + 0.5;
    pen.strokeStyle = grid;
    pen.beginPath();
    pen.moveTo(LEFT, at);
    pen.lineTo(width - RIGHT, at);
    pen.stroke();
    pen.fillStyle = text;
    pen.fillText(String(top * part), LEFT - 8, at);
  }
  pen.textBaseline = "alphabetic";
  const step = (to - from) / (width < 480 ? 2 : 3);
  for (let time = from; time <= to; time += step) {
    pen.textAlign = time === from ? "left" : time === to ? "right" : "center";
    pen.fillText(time === to ? "now" : `${time / 1_000} s`.replace("-", "−"), x(time), height - 5);
  }

  if (!points.length) return;
  const path = new Path2D();
  for (const [time, value] of points) path.lineTo(x(time), y(value));
  const area = new Path2D(path);
  area.lineTo(x(points.at(-1)[0]), y(0));
  area.lineTo(x(points[0][0]), y(0));
  pen.fillStyle = line;
  pen.globalAlpha = 0.12;
  pen.fill(area);
  pen.globalAlpha = 1;
  pen.strokeStyle = line;
  pen.lineWidth = 2;
  pen.lineJoin = "round";
  pen.stroke(path);

  if (hover === undefined) return;
  const distance = ([time]) => Math.abs(x(time) - hover);
  const nearest = points.reduce((best, point) => (distance(point) < distance(best) ? point : best));
  const [px, py] = [x(nearest[0]), y(nearest[1])];
  pen.fillStyle = line;
  pen.beginPath();
  pen.arc(px, py, 4, 0, 2 * Math.PI);
  pen.fill();
  pen.textAlign = px > width / 2 ? "right" : "left";
  pen.font = `600 13px ${style.fontFamily}`;
  pen.fillText(String(nearest[1]), px + (px > width / 2 ? -8 : 8), Math.max(py - 10, TOP + 10));
}

// What a variable of the style sheet, which may be a light-dark() pair, comes to here.
function colour(canvas, style, name) {
  canvas.style.color = `var(${name})`;
  return style.color;
}
