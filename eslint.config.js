import neostandard from 'neostandard'
import tseslint from 'typescript-eslint'

// Dependencies point one way: cli → gateway → routes, plugins → stores → lib. One entry a folder: what it may not reach.
const boundary = (files, group, message) => ({
  files,
  rules: { '@typescript-eslint/no-restricted-imports': ['error', { patterns: [{ group, message, allowTypeImports: true }] }] }
})
const withinLib = ['fastify', 'fastify-plugin', '@fastify/*', '!@fastify/error', '**/plugins/**', '**/routes/**', '**/stores/**', '**/config/**', '**/gateway.ts']

export default [
  { ignores: ['node_modules', 'dist', '.tap', 'coverage'] },
  ...neostandard({ ts: true }),
  {
    files: ['**/*.ts'],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    plugins: { '@typescript-eslint': tseslint.plugin },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      'no-unused-vars': 'off',
      '@typescript-eslint/no-redeclare': 'off',
      'no-void': ['error', { allowAsStatement: true }],
      'n/no-process-env': 'error',
      'max-lines': ['error', { max: 250, skipComments: true, skipBlankLines: true }],
      'max-lines-per-function': ['error', { max: 60, skipComments: true, skipBlankLines: true }],
      complexity: ['error', 15],
      'max-depth': ['error', 3]
    }
  },
  boundary(['lib/**/*.ts'], withinLib, 'lib/ holds pure functions: it imports no Fastify value and nothing above it'),
  boundary(['client/**/*.ts'], ['node:*', '../*', '../**'], 'client/ runs in browsers: it imports nothing but itself'),
  boundary(['stores/**/*.ts'], ['**/plugins/**', '**/routes/**', '**/config/**', '**/gateway.ts'], 'stores/ depends on lib/ alone'),
  boundary(['plugins/**/*.ts'], ['**/routes/**', '**/gateway.ts', '**/cli.ts', '**/config/**'], 'plugins/ never imports routes/, config/ or what composes them'),
  boundary(['routes/*.ts'], ['./*.ts', '**/gateway.ts', '**/cli.ts', '**/config/**'], 'routes never import each other'),
  {
    files: ['test/**/*.ts', 'bench/**/*.ts', 'examples/**/*.ts', 'scripts/**/*.ts'],
    rules: {
      '@typescript-eslint/no-floating-promises': 'off',
      'max-lines': 'off',
      'max-lines-per-function': 'off',
      'n/no-process-env': 'off'
    }
  },
  { files: ['cli.ts'], rules: { 'n/no-process-env': 'off' } }
]
