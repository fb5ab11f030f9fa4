import fc from "fast-check";

/**
 * Properties are tried on the same examples at every run; fast-check prints the seed with what fails.
 * `BOARDLOG_TEST_SEED=random` looks for new ones, `BOARDLOG_TEST_SEED=N` has a run again.
 */
const given = process.env.BOARDLOG_TEST_SEED;
if (given !== "random") fc.configureGlobal({ seed: given === undefined ? 20_261_122 : Number(given) });
