// @assemblyscript/loader. It makes a TextDecoder and assigns to Object when it is evaluated, which some scopes do not allow: so the entries
// of the package evaluate it on first use (scripts/bundle.ts puts `require` in the place of this import).

export { instantiateSync } from "@assemblyscript/loader";
