// aedes on a port of its own, with no limits of ours: prints [address, port] as JSON when it listens.
import { createServer } from 'node:net'
import { Aedes } from 'aedes'

const broker = await Aedes.createBroker()
const server = createServer({ noDelay: true }, broker.handle)
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  console.log(JSON.stringify(['127.0.0.1', server.address().port]))
})
