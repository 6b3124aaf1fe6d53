// What the back button brings back was true when it was left; since then somebody may have signed out.
globalThis.addEventListener('pageshow', event => {
  if (!event.persisted) return
  document.documentElement.hidden = true
  globalThis.location.reload()
})
