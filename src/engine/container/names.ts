/** Container names: what is allowed, and the ones made up for containers that come without. */
import { randomInt } from "node:crypto";
import { EngineError } from "../errors.ts";

const ADJECTIVES =
  "amber ample bold brave bright brisk calm candid clear clever cosy crisp curious dapper daring deft earnest eager easy fair fleet fluent fond frank fresh gentle glad golden grand hardy hearty honest humble jolly keen kind lively lucid lucky mellow merry mild modest neat nimble noble patient placid plucky polite prompt proud quick quiet ready rosy sharp shrewd silent sincere smooth snappy solid sound spry stable steady stout sturdy subtle sunny swift tidy tranquil trusty upbeat vivid warm wise witty zesty".split(
    " ",
  );

/** People of science, engineering and exploration. */
const SURNAMES =
  "abel agnesi almeida ampere anning banneker bassi bell berners bhabha bohr boole bose brahe caroe cannon carson carver cavendish celsius chandra clarke copernicus curie dalton darwin davy dijkstra dirac driscoll earhart easley einstein ekeblad erdos euclid euler faraday fermat fermi feynman fibonacci flamsteed franklin fresnel galileo galois gauss germain gibbs goodall hamilton hardy harvey herschel hertz hopper hubble humboldt hypatia jemison johnson joule kepler khayyam kilby knuth kovalevsky lagrange lalande lamarr laplace lavoisier leavitt leibniz lister lovelace lumiere maxwell mayer mccarthy meitner mendel merian mirzakhani mitchell nansen napier newton nightingale nobel noether ohm oresme pascal pasteur pauling payne perlman planck poincare ramanujan ride ritchie roentgen rubin sagan shannon somerville steno stevin swan tereshkova tesla thales torvalds turing vaughan villani volta wallace watt wiles wing wozniak wright yalow yonath zuse".split(
    " ",
  );

const pick = (words: readonly string[]): string => words[randomInt(words.length)]!;

/** `adjective_surname`; after the first try with a digit, as Docker does, so that collisions end. */
export function makeUpName(attempt: number): string {
  const name = `${pick(ADJECTIVES)}_${pick(SURNAMES)}`;
  return attempt === 0 ? name : `${name}${randomInt(10)}`;
}

const ALLOWED = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

/**
 * A name with its leading slash.
 * @throws EngineError invalid, in Docker's words
 */
export function checkName(name: string): string {
  if (!ALLOWED.test(name.replace(/^\//, ""))) {
    throw new EngineError(
      "invalid",
      `Invalid container name (${name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`,
    );
  }
  return name.startsWith("/") ? name : `/${name}`;
}

export function nameConflict(name: string, owner: string): EngineError {
  return new EngineError(
    "conflict",
    `Conflict. The container name ${JSON.stringify(name)} is already in use by container ${JSON.stringify(owner)}. You have to remove (or rename) that container to be able to reuse that name.`,
  );
}
