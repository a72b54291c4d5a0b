// Tables on a terminal that is narrower than they are.
import { describe, expect, it } from 'vitest'
import { tableText } from '../../../cli/table.ts'

const screen = { paint: (_paint: string, text: string) => text }
const columns = [
  { head: 'function', gives: true },
  { head: 'done', align: 'right' },
  { head: 'left' },
] as const
const rows = [
  ['f', '12', '-'],
  ['aNameThatIsWiderThanATerminalOfFortyCharacters', '12,345', '1.0 s'],
  ['功能功能功能功能功能功能功能功能功能功能', '1', '-'],
]
const table = (widthMax?: number) => tableText(screen, columns, rows, widthMax)

describe('tableText', () => {
  it('cuts the cells of the column that gives, until every line fits', async () => {
    const lines = (await table(40)).split('\n')
    expect(lines.map((line) => line.replace(/ +/g, ' '))).toEqual([
      'function done left',
      'f 12 -',
      'aNameThatIsWiderThanATer… 12,345 1.0 s',
      '功能功能功能功能功能功能… 1 -',
    ])
    expect(lines[2]).toHaveLength(40)
  })

  it('leaves enough of a cell to be told apart, however narrow the terminal', async () => {
    const [head, , wide] = (await table(4)).split('\n')
    expect(wide).toBe('aNameTh…  12,345  1.0 s')
    expect(head).toBe('function    done  left')
  })

  it('cuts nothing where it fits, or where nobody says how wide a line may be', async () => {
    const whole = await table()
    expect(whole).toContain(rows[1]?.[0])
    expect(await table(200)).toBe(whole)
    expect(await table(61)).toBe(whole)
  })
})
