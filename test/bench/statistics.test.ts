// What the bench concludes from figures: seeded noise with and without something in it.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ColumnName } from '../../scripts/bench/columns.ts'
import { compareRatios } from '../../scripts/bench/compare/verdict.ts'
import { wholeShares } from '../../scripts/bench/memcpy/shares.ts'
import { ratioChart } from '../../scripts/bench/ratio-chart.ts'
import { readmeSection, withSection } from '../../scripts/bench/readme-section.ts'
import { type ReportRow, reportOf } from '../../scripts/bench/report.ts'
import { isResumable, isWhole, keptRows } from '../../scripts/bench/resume.ts'
import { ROWS } from '../../scripts/bench/rows.ts'
import { tableHead, tableLine } from '../../scripts/bench/table.ts'
import { flatness, type Point } from '../../scripts/bench/soak/flatness.ts'
import { seriesOf } from '../../scripts/bench/soak/series.ts'
import { seeded } from '../support/seeded.ts'

/** Numbers around 0 with a deviation of about 1, the same for the same seed. */
function noise(seed: number): () => number {
  const uniform = seeded(seed)
  return () => Array.from({ length: 12 }, uniform).reduce((sum, each) => sum + each, -6)
}

/** Ten pairs that differ by 5 % from one to the next, B being `speed` times A. */
const pairs = (seed: number, speed: number): number[] => {
  const draw = noise(seed)
  return Array.from({ length: 10 }, () => speed * Math.exp(0.05 * draw()))
}

describe('two commits', () => {
  test('that are the same are told apart in no more than one of fifty comparisons', () => {
    const told = Array.from({ length: 1000 }, (_, seed) => compareRatios(pairs(seed + 1, 1)))
    expect(told.filter(({ verdict }) => verdict !== 'no difference').length).toBeLessThan(20)
  })

  test('of which one is a tenth slower are told apart in nine of ten', () => {
    const told = Array.from({ length: 1000 }, (_, seed) => compareRatios(pairs(seed + 1, 0.9)))
    expect(told.filter(({ verdict }) => verdict === 'slower').length).toBeGreaterThan(900)
    expect(told.some(({ verdict }) => verdict === 'faster')).toBe(false)
  })

  test('exchanged give the opposite verdict and the inverse interval', () => {
    const ratio = fc.double({ min: 0.5, max: 2, noNaN: true })
    fc.assert(
      fc.property(fc.array(ratio, { minLength: 2, maxLength: 40 }), (ratios) => {
        const [there, back] = [ratios, ratios.map((each) => 1 / each)].map(compareRatios)
        expect(back?.low).toBeCloseTo(1 / (there?.high ?? 0), 6)
        expect(back?.ratio).toBeCloseTo(1 / (there?.ratio ?? 0), 6)
      }),
    )
  })

  test('need two pairs', () => {
    expect(() => compareRatios([1])).toThrow('needs two pairs')
  })
})

describe('the copies of the row of several clients', () => {
  test('are as many as are counted, on any number of CPUs, and none copies much more', () => {
    for (let cpuCount = 1; cpuCount <= 256; cpuCount += 1) {
      const shares = wholeShares(100, cpuCount)
      expect(shares).toHaveLength(cpuCount)
      expect(shares.reduce((sum, each) => sum + each, 0)).toBe(100)
      expect(shares.every(Number.isInteger)).toBe(true)
      expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1)
    }
  })
})

describe('a soak', () => {
  /** A heap that is collected every 10 seconds, and rises over the first tenth. */
  const heap = ({ minutes = 30, leakMegabytesPerHour = 0 }): Point[] => {
    const draw = noise(7)
    const count = minutes * 120
    return Array.from({ length: count }, (_, i) => {
      const warming = 60 * Math.min(1, (10 * i) / count)
      const garbage = 20 * ((i % 20) / 20)
      const seconds = i / 2
      const leaked = (leakMegabytesPerHour * seconds) / 3600
      return { seconds, megabytes: 80 + warming + garbage + draw() + leaked }
    })
  }

  test.each([5, 14, 30, 120])('of %i minutes that warms up and collects is flat', (minutes) => {
    expect(flatness(heap({ minutes }))).toMatchObject({ verdict: 'flat' })
  })

  test('that loses 60 MB in half an hour is not', () => {
    const told = flatness(heap({ leakMegabytesPerHour: 120 }))
    expect(told.verdict).toBe('NOT FLAT')
    expect(told.hours).toBeCloseTo(0.3)
    expect(told.grownMegabytes).toBeGreaterThan(30)
    expect(told.grownMegabytes).toBeLessThan(42)
  })

  test('of 14 minutes is not flat when it loses a third of what it holds in an hour', () => {
    const told = flatness(heap({ minutes: 14, leakMegabytesPerHour: 65 }))
    expect(told.grownMegabytes).toBeLessThan(0.1 * told.medianMegabytes)
    expect(told.verdict).toBe('NOT FLAT')
  })

  test('of two hours may grow by a tenth in all, and by no more', () => {
    const [less, more] = [8, 20].map((leakMegabytesPerHour) =>
      flatness(heap({ minutes: 120, leakMegabytesPerHour })),
    )
    expect([less?.verdict, more?.verdict]).toEqual(['flat', 'NOT FLAT'])
    expect(more?.allowedMegabytes).toBeCloseTo(0.1 * (more?.medianMegabytes ?? 0))
  })

  test('whose memory falls is flat', () => {
    expect(flatness(heap({ leakMegabytesPerHour: -120 })).verdict).toBe('flat')
  })

  test.each([0, 1200])('of three minutes is too short to tell, whatever grew', (leak) => {
    const told = flatness(heap({ minutes: 3, leakMegabytesPerHour: leak }))
    expect(told.verdict).toBe('too short to tell')
  })

  test('follows the driver and the raylet, not what either has just forked', () => {
    const process = { startedAtTicks: 10, ownBytes: 100e6, sharedBytes: 0 }
    const forked = { startedAtTicks: 90, ownBytes: 1e6, sharedBytes: 0 }
    const rows = [
      { ...forked, pid: 1, role: 'driver' },
      { ...forked, pid: 2, role: 'raylet' },
      { ...process, pid: 7, role: 'driver' },
      { ...process, pid: 8, role: 'raylet' },
      { ...process, pid: 9, role: 'worker' },
    ] as const
    expect(seriesOf(rows, 7)).toMatchObject({ driver: 100, raylet: 100, 'oldest worker': 100 })
    expect(seriesOf(rows.slice(0, 4), 7)).toBeUndefined()
  })

  test('of two samples says nothing', () => {
    expect(() => flatness(heap({}).slice(0, 2))).toThrow('three samples')
  })
})

const none = { value: 2, sd: 0, ray: null, raySd: null, piscina: null, echo: null } as const
const row = (name: string, more: Partial<ReportRow>): ReportRow => {
  const unit = ROWS.find((each) => each.name === name)?.unit ?? ''
  return { name, unit, ...none, echoPolling: null, memcpy: null, bare: null, ...more }
}
const machine = { cpu: 'a CPU', cores: 2, memoryGb: 8, kernel: '6.1', node: '24.0.0', ray: '2.0' }

describe('a run that goes on after another', () => {
  const [first, second, third] = ROWS.map(({ name }) => row(name, {}))
  if (first === undefined || second === undefined || third === undefined) throw new Error('no rows')
  const now = { machine, commit: 'abc', rows: ROWS.slice(0, 1) }
  const measured = { seconds: 0.7, columns: ['virga', 'echo', 'nodes'] as const, nodes: 3 }
  const before = {
    machine,
    commit: 'abc',
    rows: [
      { ...first, measured },
      { ...second, measured, failed: ['ray'] as const },
    ],
  }

  test('keeps the rows of its machine and commit, and lacks those in which something failed', () => {
    const kept = keptRows('the.json', before, now)
    const whole = [first, second, third].map(({ name }) => isWhole(kept.get(name), measured))
    expect(whole).toEqual([true, false, false])
  })

  test('lacks rows of other rounds, columns or clusters, and those of which that is not known', () => {
    const row = { ...first, measured }
    expect(isWhole(row, { ...measured, columns: ['virga'], nodes: 1 })).toBe(true)
    expect(isWhole(row, { ...measured, seconds: 0.1 })).toBe(false)
    expect(isWhole(row, { ...measured, columns: ['virga', 'ray'] })).toBe(false)
    expect(isWhole(row, { ...measured, nodes: 8 })).toBe(false)
    expect(isWhole(first, measured)).toBe(false)
  })

  test('measures all of a tree that differs from its commit', () => {
    expect(['7abc123', '7abc123+', 'unknown'].map(isResumable)).toEqual([true, false, false])
  })

  test('keeps none of another commit or machine, and refuses to lose any it does not measure', () => {
    const elsewhere = { ...machine, cores: 4 }
    for (const other of [
      { ...now, commit: 'def' },
      { ...now, machine: elsewhere },
    ]) {
      expect(() => keptRows('the.json', before, other)).toThrow(
        'the.json has rows of commit abc on a CPU',
      )
      expect(keptRows('the.json', before, { ...other, rows: ROWS.slice(0, 2) })).toEqual(new Map())
    }
    expect(keptRows('the.json', undefined, now)).toEqual(new Map())
  })

  test('reports all rows in the order of the bench', () => {
    const measured = new Map([third, first].map((each) => [each.name, each]))
    expect(reportOf(machine, 'abc', measured).rows).toEqual([first, third])
  })
})

test('what was too little for the clock is shown as 0, and is no ratio of anything', () => {
  const idle = ROWS.find(({ name }) => name === 'idle cluster CPU')
  if (idle === undefined) throw new Error('the row was renamed')
  const result = { row: idle, samples: new Map(), errors: new Map() }
  const measured = { seconds: 1, columns: ['virga', 'ray'] as const, nodes: 1 }
  const line = tableLine(result, row(idle.name, { value: 0, sd: 0, ray: 4.2 }), measured)
  expect(line).toMatch(/^idle cluster CPU +0 +0 % of a core +4\.20 {2}/)
  expect(line).not.toMatch(/NaN|∞|Infinity/)
})

test('the table has the columns that were asked for, and no other', () => {
  const tasks = ROWS.find(({ name }) => name === 'single client tasks async')
  if (tasks === undefined) throw new Error('the row was renamed')
  const result = { row: tasks, samples: new Map(), errors: new Map() }
  const text = (...columns: ColumnName[]): string => {
    const measured = { seconds: 1, columns, nodes: 1 }
    return [tableHead(measured), tableLine(result, row(tasks.name, {}), measured)].join('\n')
  }
  expect(text('virga', 'ray', 'memcpy')).toMatch(/ unit +ray +memcpy *\n.* tasks\/s +– +– *$/)
  expect(text('virga')).toMatch(/ unit +\n.* tasks\/s +$/)
})

test('a row that is also measured on several nodes says how much of it there is there, and its floor', () => {
  const tasks = ROWS.find(({ name }) => name === 'single client tasks async')
  if (tasks === undefined) throw new Error('the row was renamed')
  const result = { row: tasks, samples: new Map(), errors: new Map() }
  const measured = { seconds: 1, columns: ['virga', 'echo', 'nodes'] as const, nodes: 3 }
  const line = (nodes: number | null): string =>
    tableLine(result, row(tasks.name, { value: 8, echo: 4, nodes }), measured)
  expect(line(2)).toContain(
    'on 3 nodes 2.00 tasks/s, 0.250 × one node, below its floor: 0.500 × echo, wanted 1 ×',
  )
  expect(line(6)).toMatch(/on 3 nodes 6\.00 tasks\/s, 0\.750 × one node$/)
  expect(line(null)).toContain('on 3 nodes: not measured')
})

describe('the chart', () => {
  const chart = (more: Partial<ReportRow>): string =>
    ratioChart({ machine, commit: 'abc', rows: [row('10,000-ref get', more)] })
  const count = (text: string, part: string): number => text.split(part).length - 1

  test('marks what lies beyond its scale, with its figure', () => {
    expect(count(chart({ ray: 1900 }), '<polygon')).toBe(0)
    const far = chart({ ray: 4000, echo: 0.1 })
    expect(count(far, '<polygon')).toBe(2)
    expect(far).toContain('>2,000 ×</text>')
    expect(far).toContain('<title>0.0500 × to raw echo</title>')
  })

  test('has a mark for each of the others', () => {
    const [none, all] = [{}, { echo: 1, echoPolling: 1, memcpy: 1, piscina: 1, bare: 1 }].map(
      (more) => count(chart({ ray: 1, ...more }), '<circle'),
    )
    expect((all ?? 0) - (none ?? 0)).toBe(5)
  })
})

describe('the section of the README', () => {
  const paths = { chart: 'chart.svg', figures: 'figures.json' }

  test('names every row where Virga is behind, and no other', () => {
    const rows = [
      row('single client tasks sync', { sd: 0.5, ray: 1, echo: 4 }),
      row('init() to first result', { ray: 1 }),
      row('1:1 actor calls sync', { ray: 1, echo: 1 }),
    ]
    const text = readmeSection({ machine, commit: 'abc', rows }, paths)
    expect(text.match(/^\| (?!row|---).*/gm)).toEqual([
      '| single client tasks sync | 2.00 | 25 % | tasks/s | echo 4.00 (0.500 ×) |',
      '| init() to first result | 2.00 | 0 % | ms | ray 1.00 (0.500 ×) |',
    ])
    expect(text).toContain(
      'A cluster starts and gives its first result in 2.00 ms, with Ray 1.00 ms.',
    )
  })

  test('names every floor that is missed, and what a row says of itself once', () => {
    const rows = [
      row('single client tasks sync', { value: 20, ray: 1, echo: 40 }),
      row('1:1 actor calls async', { value: 100, ray: 10, echo: 50 }),
      row('single client get 80 MB', { value: 51 }),
      row('idle cluster CPU', { value: 0, ray: 2 }),
      row('idle cluster RSS', { value: 9 }),
      row('idle cluster PSS', { value: 9 }),
      row('10 GB object', { value: null }),
      row('client: get calls', {}),
      row('client: put calls', {}),
    ]
    const text = readmeSection({ machine, commit: 'abc', rows }, paths)
    expect(text).toContain(
      'Below their floor: `single client tasks sync` 0.500 × echo of 0.9 ×; ' +
        '`1:1 actor calls async` 10.0 × ray of 40 ×; `single client get 80 MB` 51.0 of 50 µs.',
    )
    expect(text.match(/^- .*/gm)).toEqual([
      expect.stringMatching(/^- (`idle cluster \w+`(, |: )){3}The mean of 2 rounds/),
      expect.stringMatching(/^- `idle cluster CPU`: The kernel counts/),
      expect.stringMatching(/^- `idle cluster RSS`, `idle cluster PSS`: RSS counts/),
      expect.stringMatching(/^- `client: get calls`, `client: put calls`: Ray's client goes/),
      expect.stringMatching(/^- `client: get calls`: Virga answers a get/),
    ])
    const fine = [row('single client tasks sync', { value: 20, ray: 1, echo: 20 })]
    const section = readmeSection({ machine, commit: 'abc', rows: fine }, paths)
    expect(section).toContain('No row misses its floor.')
    expect(section).not.toMatch(/^- /m)
  })

  test('says how many rows were measured, and names each of the others', () => {
    const sections = [ROWS, ROWS.slice(2)].map((present) => {
      const rows = present.map(({ name }) => row(name, {}))
      return readmeSection({ machine, commit: 'abc', rows }, paths)
    })
    const [first, second] = [ROWS[0]?.name ?? '', ROWS[1]?.name ?? '']
    expect(sections[0]).toContain(`All ${ROWS.length} rows were measured.`)
    expect(sections[1]).toContain(
      `${ROWS.length - 2} of ${ROWS.length} rows were measured. ` +
        `Not measured: \`${first}\`, \`${second}\`.`,
    )
  })

  test('counts a row in which Virga failed as not measured', () => {
    const rows = ROWS.map(({ name }, i) => row(name, i === 0 ? { value: null } : {}))
    const text = readmeSection({ machine, commit: 'abc', rows }, paths)
    expect(text).toContain(`Not measured: \`${ROWS[0]?.name ?? ''}\`.`)
  })

  test('says which contender failed in which row', () => {
    const rows = [row('1:1 actor calls sync', { failed: ['ray'] })]
    const text = readmeSection({ machine, commit: 'abc', rows }, paths)
    expect(text).toContain('Failed: ray in `1:1 actor calls sync`.')
  })

  test('stands between its markers, which stay', () => {
    const begin = '<!-- bench: written by npm run bench -- --publish -->'
    const end = '<!-- bench: end -->'
    const once = withSection(`a\n${begin}\nold\n${end}\nb`, 'new')
    expect(once).toBe(`a\n${begin}\nnew\n${end}\nb`)
    expect(withSection(once, 'new')).toBe(once)
    expect(() => withSection('no markers', 'new')).toThrow('has no')
  })
})
