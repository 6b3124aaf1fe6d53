import node from '@astrojs/node'
import { defineConfig } from 'astro/config'

export default defineConfig({
  output: 'server',
  adapter: node({ mode: 'standalone' }),
  // Without this, Astro ignores X-Forwarded-Proto, takes its own address for http, and refuses each form as one of another site.
  security: { allowedDomains: [{ protocol: 'https', hostname: 'app.example.com' }] }
})
