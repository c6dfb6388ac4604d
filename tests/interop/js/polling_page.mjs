// Long polling in a page, which prefers XMLHttpRequest to fetch.
import {LongPoll, Socket} from "./phoenix.mjs"
import {authenticate, recover, run} from "./polling.mjs"

const requests = []
let fetched = 0
const {open, setRequestHeader, send} = XMLHttpRequest.prototype
Object.assign(XMLHttpRequest.prototype, {
  open(method, address, ...rest) {
    this.request = {method, address, headers: {}}
    return open.call(this, method, address, ...rest)
  },
  setRequestHeader(name, value) {
    this.request.headers[name] = value
    return setRequestHeader.call(this, name, value)
  },
  send(body) {
    requests.push({...this.request, body})
    return send.call(this, body)
  },
})
const realFetch = window.fetch
window.fetch = (...args) => {
  fetched += 1
  return realFetch(...args)
}

const reports = {}
const report = (step, value = null) => { reports[step] = value }
const query = new URLSearchParams(location.search)
const url = location.origin.replace("http", "ws")
const world = {Socket, LongPoll, url, report, requests, user: query.get("user")}

window.finished = (async () => {
  await run(world)
  if (query.has("all")) {
    await recover(world)
    await authenticate(world)
  }
  report("transport", {fetch: fetched > 0, xhr: requests.length > 0})
  return reports
})()
