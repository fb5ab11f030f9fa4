import type { Growth } from "./bench.ts";

const WIDTH = 640;
const HEIGHT = 260;
const MARGIN = { left: 70, right: 20, top: 40, bottom: 45 };
/** Reads on a light and on a dark page. */
const INK = "#7a7f87";
const LINE = "#2f7ed8";

/** The cost of one unit of work over the amount of work, sizes on a logarithmic axis: a flat line is what is wanted. */
export function growthPlot({ what, unit, per, points }: Growth): string {
  const sizes = points.map(({ size }) => Math.log10(size));
  const left = Math.min(...sizes);
  const span = Math.max(...sizes) - left || 1;
  const top = 1.25 * Math.max(...points.map(({ value }) => value)) || 1;
  const x = (size: number): number =>
    MARGIN.left + ((Math.log10(size) - left) / span) * (WIDTH - MARGIN.left - MARGIN.right);
  const y = (value: number): number =>
    HEIGHT - MARGIN.bottom - (value / top) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  const short = (value: number): string => String(Number(value.toPrecision(3)));
  const path = points.map(
    ({ size, value }, index) => `${index === 0 ? "M" : "L"}${x(size).toFixed(1)} ${y(value).toFixed(1)}`,
  );
  const dots = points.map(
    ({ size, value }) =>
      `<circle cx="${x(size).toFixed(1)}" cy="${y(value).toFixed(1)}" r="4" fill="${LINE}"/><text x="${x(size).toFixed(1)}" y="${(y(value) - 10).toFixed(1)}" text-anchor="${size === points[0]?.size ? "start" : "end"}">${short(value)}</text><text x="${x(size).toFixed(1)}" y="${HEIGHT - MARGIN.bottom + 20}" text-anchor="middle">${size.toLocaleString("en")}</text>`,
  );
  const grid = [0, 0.5, 1].map((share) => {
    const at = y(top * share).toFixed(1);
    return `<path d="M${MARGIN.left} ${at}H${WIDTH - MARGIN.right}" stroke="${INK}" stroke-opacity="0.3"/><text x="${MARGIN.left - 8}" y="${at}" text-anchor="end" dominant-baseline="middle">${short(top * share)}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12" fill="${INK}"><text x="${MARGIN.left}" y="20" font-size="14">${what}: ${unit} for one ${per}</text>${grid.join("")}<path d="${path.join("")}" fill="none" stroke="${LINE}" stroke-width="2"/>${dots.join("")}</svg>\n`;
}
