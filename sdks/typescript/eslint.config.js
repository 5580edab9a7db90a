import { fileURLToPath } from 'node:url'
import tseslint from 'typescript-eslint'

export default tseslint.config(
  { ignores: ['dist', '.examples', 'test/consumers'] },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: {
      parserOptions: { project: './tsconfig.test.json', tsconfigRootDir: fileURLToPath(new URL('.', import.meta.url)) },
    },
    rules: {
      complexity: ['error', 10],
      'max-depth': ['error', 3],
      'max-lines': ['error', 300],
      'no-console': 'error',
      // Numbers and dates in messages are what they look like.
      '@typescript-eslint/restrict-template-expressions': 'off',
      // Environment and index signatures are read with brackets, as tsconfig demands.
      '@typescript-eslint/dot-notation': 'off',
    },
  },
)
