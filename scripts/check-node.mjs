// Reports in one line when this Node is too old for the project. Plain JavaScript, so that old versions run it too.
const [major, minor] = process.versions.node.split('.').map(Number)

if (major < 24 || (major === 24 && minor < 9)) {
  console.error(`Node ${process.versions.node} is too old for this: "npm ci" brings the right one, "npm start", "npm test" and "npm run ..." use it`)
  process.exit(1)
}
