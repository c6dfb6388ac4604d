// A page with nothing but the two modules that its server has, under a strict Content-Security-Policy.
import {Socket} from "/socket/phoenix.mjs"
import {recoverable} from "/socket/bennu.mjs"

function connected() {
  const socket = new Socket("/socket")
  socket.connect()
  return socket
}

async function story() {
  const heard = [], missed = [], recovered = []
  const ann = connected(), bob = connected()
  let told = () => {}
  const next = () => new Promise(resolve => { told = resolve })
  const room = recoverable(ann, "logged:page", {name: "ann"}, {
    missed: reason => { missed.push(reason) },
    recovered: count => told(recovered.push(count)),
  })
  room.on("said", ({text}) => told(heard.push(text)))
  const other = bob.channel("logged:page", {name: "bob"})
  await Promise.all([room.join(), other.join()].map(join => new Promise(resolve => join.receive("ok", resolve))))
  const say = text => new Promise(resolve => other.push("say", {text}).receive("ok", resolve))
  await Promise.all([next(), say("1")])
  await new Promise(resolve => ann.disconnect(resolve))
  await say("2")
  await say("3")
  const back = next()
  ann.connect()
  await back
  while (heard.length < 3) { await next() }
  await Promise.all([next(), say("4")])
  return {heard, missed, recovered, stored: localStorage.length + sessionStorage.length}
}

window.finished = story()
