import { readFile } from 'node:fs/promises'

const root = new URL('../', import.meta.url)
const languages: Record<string, string> = { mjs: 'js', astro: 'astro' }

/** Returns the page with the files that its marks name (`<!-- example: PATH -->`) between each mark and the next `<!-- /example -->`. */
export async function recipesPage (page: string): Promise<string> {
  const [before = '', ...parts] = page.split(/(?<=\n)(?=<!-- example: )/)
  const written = await Promise.all(parts.map(async part => {
    const [, path] = /^<!-- example: (\S+) -->/.exec(part) ?? []
    const [, after] = part.split('<!-- /example -->')
    if (path === undefined || after === undefined) throw new Error(`docs/guides/recipes.md: <!-- /example --> is missing after ${part.split('\n')[0]}`)
    return `<!-- example: ${path} -->\n\n${await block(path)}\n\n<!-- /example -->${after}`
  }))
  return [before, ...written].join('')
}

async function block (path: string): Promise<string> {
  const text = asInstalled(await readFile(new URL(path, root), 'utf8'))
  const extension = path.slice(path.lastIndexOf('.') + 1)
  return `\`\`\`${languages[extension] ?? extension}\n${text}\`\`\``
}

/** Replaces imports of the checkout with those of a program in a folder where the package is installed. */
function asInstalled (text: string): string {
  return text.replaceAll(/'(?:\.\.\/)+index\.ts'/g, "'portcullis'").replaceAll(/'(?:\.\.\/)+plugins\/([\w-]+)\.ts'/g, "'portcullis/plugins/$1'").replaceAll("'../users.ts'", "'./users.ts'")
}
