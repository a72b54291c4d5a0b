// One of several processes that copy at once, as often as the parent asks for.
import { PUTTER_BYTES } from '../sizes.ts'
import { openCopy } from './copy.ts'

const copy = openCopy(PUTTER_BYTES)
process.on('message', (count: number) => {
  for (let i = 0; i < count; i += 1) copy()
  process.send?.('done')
})
process.on('disconnect', () => process.exit())
process.send?.('ready')
