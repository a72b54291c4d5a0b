// The published results: a chart, and the section of the README between its two markers. Both are
// made from the JSON alone, so that no figure in them is typed by hand.
import { readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { PUBLISHED, RESULTS } from './options.ts'
import { ratioChart } from './ratio-chart.ts'
import { readmeSection, withSection } from './readme-section.ts'
import type { Report } from './report.ts'

const ROOT = join(import.meta.dirname, '../..')
const README = join(ROOT, 'README.md')
const CHART = join(RESULTS, 'ratios.svg')

export function publish(report: Report): void {
  const [chart, figures] = [relative(ROOT, CHART), relative(ROOT, PUBLISHED)]
  writeFileSync(CHART, ratioChart(report))
  const section = readmeSection(report, { chart, figures })
  writeFileSync(README, withSection(readFileSync(README, 'utf8'), section))
}
