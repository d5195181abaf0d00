// The worlds of the test guests. WASI's own packages come with jco; only these few lines are ours.

export const WORLDS = `package copepod:guests;
interface nowhere { touch: func(); }
world service { import wasi:cli/stdout@0.2.12; import wasi:http/types@0.2.12; export wasi:http/incoming-handler@0.2.12; }
world command { import wasi:cli/stdout@0.2.12; import wasi:cli/stderr@0.2.12; export wasi:cli/run@0.2.12; }
world stranger { import nowhere; export wasi:cli/run@0.2.12; }
world idle { export idle: func(); }
`;
