// The page of a chart: one SVG, legible on a light and on a dark page.

export interface SvgPage {
  readonly width: number
  readonly height: number
  readonly title: string
  /** Where the title begins. */
  readonly titleX: number
}

/** Text and grid take the page's own colour scheme. */
const STYLE =
  '<style>text{fill:#24292f;font:12px sans-serif}.title{font-weight:bold}' +
  '.grid{stroke:#8c959f;stroke-opacity:.4}.shade{fill:#8c959f;fill-opacity:.15}' +
  '@media(prefers-color-scheme:dark){text{fill:#e6edf3}}</style>'

/** @param parts elements, drawn in that order; of the classes `grid` and `shade` where they fit. */
export function svgChart({ width, height, title, titleX }: SvgPage, parts: string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
    STYLE,
    `<text class="title" x="${titleX}" y="20">${title}</text>`,
    ...parts,
    '</svg>\n',
  ].join('\n')
}
