// Text recognition: one task draws pages and streams them, each page goes as a ref to a task that
// reads it, and the driver gets the texts in order while later pages are still being drawn. One
// page kills the process that reads it at the first try, as native code can; it is read again.
import { deepStrictEqual, ok } from 'node:assert/strict'
import { init, remote, runtimeContext } from 'virga'
import { createScheduler } from 'tesseract.js'
import type { Worker } from 'tesseract.js'
import { compare, cpuCount, sized, timed } from './compare.ts'
import { drawPage, printedTexts, shareRead, startReader } from './printed-pages.ts'
import type { Page } from './printed-pages.ts'

const DEADLY_PAGE = 2

const drawPages = remote(drawInOrder, { streamBufferSize: 8 })
const readPage = remote(readOnce, { maxRetries: 3 })

/** One reader per worker process, started by its first page. */
let reader: Promise<Worker> | undefined

await init()

const printed = printedTexts(sized(60, 6))

const cluster = await timed(async () => {
  const texts: string[] = []
  let crashes = 0
  for await (const { text, attempt } of readPage.map(drawPages.remote(printed))) {
    texts.push(text)
    crashes += attempt
    if (texts.length % 20 === 0) console.log(`${texts.length} pages read`)
  }
  return { texts, crashes }
})
const { texts, crashes } = cluster.value
const share = shareRead(printed, texts)
console.log(`${(share * 100).toFixed(1)} % of the words on ${texts.length} pages read right`)
console.log(`workers that died over a page and were replaced: ${crashes}`)
ok(share > 0.95, 'more than 95 % of the words are read right')
ok(crashes > 0, 'the deadly page was read at its second try')

const single = await timed(readInOneProcess)
deepStrictEqual(texts, single.value)
compare({
  cluster,
  single,
  singleIs: `tesseract's own scheduler, ${cpuCount} threads; no worker dies there`,
})

function* drawInOrder(pages: string[]): Generator<Page> {
  for (const [number, text] of pages.entries()) yield drawPage(number, text)
}

async function readOnce({ number, png }: Page): Promise<{ text: string; attempt: number }> {
  const { attempt } = runtimeContext()
  if (number === DEADLY_PAGE && attempt === 0) process.kill(process.pid, 'SIGKILL')
  reader ??= startReader()
  const { data } = await (await reader).recognize(Buffer.from(png))
  return { text: data.text, attempt }
}

async function readInOneProcess(): Promise<string[]> {
  const scheduler = createScheduler()
  const readers = Array.from({ length: cpuCount }, startReader)
  for (const started of await Promise.all(readers)) scheduler.addWorker(started)
  const results = await Promise.all(
    printed.map((text, number) =>
      scheduler.addJob('recognize', Buffer.from(drawPage(number, text).png)),
    ),
  )
  await scheduler.terminate()
  return results.map(({ data }) => data.text)
}
