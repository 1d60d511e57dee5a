// module: a case as an ES module.
import cases from './cases.cjs';

await cases.main(process.argv[2]);
