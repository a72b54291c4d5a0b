// One of several clients of the raw echo: a process that sends as many messages as its parent asks
// for to the servers on the sockets of argv[2…], in turn, and tells when all came back. The number
// is a multiple of that of the servers.
import { once } from 'node:events'
import { connect } from 'node:net'
import { openCaller } from './frames.ts'

const calls = await Promise.all(
  process.argv.slice(2).map(async (path) => {
    const socket = connect(path)
    await once(socket, 'connect')
    return openCaller(socket)
  }),
)

process.on('message', (count: number) => {
  const answers: Promise<void>[] = []
  while (answers.length < count) for (const call of calls) answers.push(call())
  void Promise.all(answers).then(() => process.send?.('done'))
})
process.on('disconnect', () => process.exit())
process.send?.('ready')
