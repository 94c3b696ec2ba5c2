//! What the generator draws from: values of each kind, and the functions with the kinds of their arguments.

/// What an argument should be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Number,
    Whole,
    Bool,
    List,
    Texts,
    Numbers,
    Set,
    Map,
    Anything,
    Separator,
    Format,
    Pattern,
    Prefix,
    Time,
    Duration,
    DateFormat,
    Base64,
    Json,
    Yaml,
    Csv,
    Path,
    Base,
    Encoding,
    MapOfLists,
    File,
}

/// Values that both sides define in the same words.
pub const SHARED_PREAMBLE: &str = r#"
locals {
  str     = "hello"
  num     = 42
  yes     = true
  nul     = null
  list    = tolist(["b", "a", "c"])
  numbers = tolist([3, 1, 2])
  tuple   = ["x", 1, true, null]
  set     = toset(["b", "a"])
  map     = tomap({ a = "1", b = "2" })
  obj     = { a = 1, b = "two", c = [1, 2] }
  deep    = { x = [{ y = 1 }, { y = 2 }], z = { w = null } }
  objects = [{ name = "n1", a = 1 }, { name = "n2", a = 2 }]
  secret  = sensitive("s3cret")
  secrets = { a = sensitive("s3cret") }
  u_any   = jsondecode(local.u_str)
  u_num   = parseint(local.u_str, 10)
  u_bool  = local.u_str == "x"
  u_list  = split(",", local.u_str)
  u_set   = toset(local.u_list)
  u_map   = { for k in local.u_list : k => 1 }
  u_obj   = { a = local.u_str, b = 1 }
  u_some  = [local.u_str, "known"]
}
"#;

/// The values of a kind.
pub fn pool(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Text => &[
            r#""""#, r#""hello""#, r#""Hello World""#, r#""ß Straße ÀÉ ǅ""#, r#""a,b,,c""#, r#""  pad \t\n""#, r#""42""#,
            r#""-1.50""#, r#""true""#, r#""1e3""#, r#""日本語""#, r#""e\u0301a""#, r#""one\ntwo\r\nthree\n\n""#,
            r#""q\"uo'te<&>""#, r#""👩‍👩‍👧x🇩🇪""#, "local.str", "local.str", r#""aaa""#, r#""héllo wörld foo-bar_baz""#, r#""/a/b/""#,
            "local.u_str", "local.secret", r#""pre-${local.u_str}""#, "local.nul", "5", "1.5", "true",
        ],
        Kind::Number => &[
            "0", "1", "-1", "2.5", "-0.1", "1e3", "1e-5", "12345678901234567890", "0.3", "7", "10", "-7", "3", "100",
            "local.num", "local.num", "(1 / 3)", r#""7""#, r#""0x1f""#, r#""1.5e2""#, "local.u_num", "local.nul",
            "0.1", "99999999999999999999.5", "4.5", "-2.5", r#"" 1""#, "1e100",
        ],
        Kind::Whole => &["0", "1", "2", "3", "-1", "-2", "5", "10", "1.5", "100", "local.num", r#""2""#, "local.u_num", "16"],
        Kind::Bool => &[
            "true", "false", "true", "false", "local.yes", r#""true""#, r#""false""#, r#""1""#, "local.nul", "local.u_bool",
            "1 == 1", r#"local.str == "hello""#, r#""TRUE""#, "1",
        ],
        Kind::List => &[
            "[]", "[1, 2, 3]", r#"["a", "b", "c"]"#, r#"["1", 2, true]"#, "local.list", "local.tuple", "local.numbers",
            "tolist([])", r#"[null, "a"]"#, r#"["b", "a", "b"]"#, "[[1, 2], [3]]", r#"[{ a = 1 }, { a = 2 }]"#, "local.set",
            "local.u_list", "local.u_some", r#"[1, "1", 1]"#, "[true, false]", "local.objects", r#"[["a"], "b", [["c"]]]"#,
        ],
        Kind::Texts => &[
            r#"["a", "b", "c"]"#, "local.list", "[]", r#"["b", "a", "b"]"#, r#"["", "a", ""]"#, "local.set", r#"["é", "z", "A", "a"]"#,
            r#"[null, "a"]"#, "[1, true]", "local.u_some", r#"["10", "9", "x"]"#, r#"toset(["z", "y"])"#, "local.u_list",
        ],
        Kind::Numbers => &[
            "[1, 2, 3]", "local.numbers", r#"["1", 2.5]"#, "[0.1, 0.2]", "[-1, 5]", "toset([1, 2])", "[]", "[1, null]", r#"["x"]"#,
            "[local.u_num, 1]",
        ],
        Kind::Set => &[
            "toset([])", r#"toset(["a", "b"])"#, "local.set", "toset([3, 1, 2])", r#"["b", "c", "c"]"#, "[1, 2]", "toset([true])",
            r#"toset(["10", "9"])"#, "local.u_set", "local.list", r#"[1, "a"]"#, "toset([[1], [2]])", "local.u_some",
        ],
        Kind::Map => &[
            "{}", "{ a = 1, b = 2 }", "local.map", "local.obj", r#"{ "a b" = "x", z = true }"#, "tomap({})", "{ a = null }",
            r#"{ x = { y = [1] } }"#, r#"tomap({ a = 1, b = 2 })"#, "local.deep", "local.u_map", "local.u_obj", r#"{ a = "1", c = 3 }"#,
            "local.nul", r#"tomap({ k = ["l"] })"#, "local.secrets",
        ],
        Kind::Anything => &[
            r#""hello""#, r#""1""#, "1", "0", "true", "null", "[]", "{}", r#"["a", "b"]"#, "[1, 2, 3]", r#"{ a = 1 }"#, "local.list",
            "local.set", "local.map", "local.obj", "local.tuple", "local.nul", "local.u_str", "local.u_num", "local.u_any",
            "local.u_list", "local.u_some", "local.u_obj", "toset([1])", "tolist([1])", "tomap({ a = 1 })", r#""""#, "local.deep",
            "local.objects", "2.50", "local.secret", r#""true""#, "tostring(null)", "[null]", "local.u_bool", r#"tolist(["a"])"#,
        ],
        Kind::Separator => &[r#"",""#, r#""""#, r#"", ""#, r#""-""#, r#""é""#, "1"],
        Kind::Format => &[
            r#""%s""#, r#""%d""#, r#""%5.2f|""#, r#""%-8s|""#, r#""%08d""#, r#""%+d""#, r#""%x""#, r#""%X""#, r#""%o""#, r#""%b""#, r#""%e""#,
            r#""%.3e""#, r#""%g""#, r#""%t""#, r#""%v""#, r#""%#v""#, r#""%q""#, r#""%%|%s""#, r#""no verbs""#, r#""%s %s""#, r#""%[2]s %[1]s""#,
            r#""%""#, r#""%z""#, r#""%*d""#, r#""%.2s|""#, r#""%G""#, r#""%E""#, r#""% d""#, r#""%6v|""#, r#""%06.1f""#, r#""%.0f""#,
        ],
        Kind::Pattern => &[
            r#""[a-z]+""#, r#""(\\d+)-(\\d+)""#, r#""(?P<first>\\w)(?P<rest>\\w*)""#, r#""^h(.)l""#, r#""(a)|(b)""#, r#""""#, r#""[""#,
            r#""(?i)HELLO""#, r#""\\s+""#, r#""o""#, r#""(?s).""#, r#""\\bw""#, r#""x*""#, r#""\\pL""#,
        ],
        Kind::Prefix => &[
            r#""10.0.0.0/8""#, r#""192.168.1.0/24""#, r#""fd00:fd12:3456:7890::/56""#, r#""10.1.2.3/16""#, r#""::1/128""#, r#""10.0.0.0""#,
            r#""0.0.0.0/0""#, r#""300.0.0.0/8""#, r#""10.0.0.0/33""#, r#""2001:db8::/32""#, r#""010.0.0.0/8""#, r#""10.0.0.0/31""#, "local.u_str",
        ],
        Kind::Time => &[
            r#""2026-01-31T12:00:00Z""#, r#""2024-02-29T23:59:59.123456789+05:30""#, r#""0001-01-01T00:00:00Z""#,
            r#""9999-12-31T23:59:59-08:00""#, r#""2026-01-31""#, r#""2026-02-30T00:00:00Z""#, r#""2026-01-31T24:00:00Z""#,
            r#""2026-06-15T08:05:09+00:00""#, r#""2026-01-31T12:00:00""#, r#""2026-01-31 12:00:00Z""#, "local.u_str",
            r#""2026-12-31T23:59:60Z""#, r#""2026-07-04T00:30:00-07:00""#, r#""2026-1-31T12:00:00Z""#,
        ],
        Kind::Duration => &[
            r#""1h""#, r#""-10m""#, r#""1h30m15s""#, r#""1.5h""#, r#""100ms""#, r#""1us""#, r#""5ns""#, r#""1d""#, r#""""#, r#""1""#, r#""0""#,
            r#""+2h""#, r#""8760h""#, r#""-876000h""#, r#""1µs""#, r#""h""#, r#"".5s""#, r#""1e3s""#,
        ],
        Kind::DateFormat => &[
            r#""YYYY-MM-DD""#, r#""DD MMM YYYY hh:mm ZZZ""#, r#""EEEE, DD-MMM-YY hh:mm:ss ZZZ""#, r#""EEE, DD MMM YYYY hh:mm:ss ZZZ""#,
            r#""YYYY-MM-DD'T'hh:mm:ssZ""#, r#""h:mmaa""#, r#""HH:mm AA""#, r#""H:m:s""#, r#""D/M/YY""#, r#""MMMM""#, r#""'it''s' YYYY""#,
            r#""YYY""#, r#""X""#, r#""'open""#, r#""ZZZZ ZZZZZ Z""#, r#""""#, r#""aa AA""#, r#""EEEE""#, r#""hh'h'mm'm'""#, r#""yyyy""#,
        ],
        Kind::Base64 => &[
            r#""aGVsbG8=""#, r#""aGVsbG8""#, r#""""#, r#""w6k=""#, r#""////""#, r#""_-8=""#, r#""aGVs bG8=""#, r#""a""#, r#""aGVsbG8=\n""#, "local.u_str",
            r#""4pyTIMOgIGxhIG1vZGU=""#, r#""SABlAGwAbABvAA==""#,
        ],
        Kind::Json => &[
            r#""{\"a\":[1,2.50,null,true],\"b\":{\"c\":\"é\"}}""#, r#""[]""#, r#""{}""#, r#""null""#, r#""1e2""#, r#""\"x\"""#, r#""{\"a\":1,\"a\":2}""#,
            r#""[1,\"1\"]""#, r#""{bad}""#, r#""""#, r#""1 2""#, r#""12345678901234567890.123456789""#, r#"" true ""#, r#""{\"z\":1,\"a\":{}}""#,
            r#""[[],{}]""#, "local.u_str", r#""{\"a\":\"\\u00e9\\n\"}""#, r#""[1,]""#, r#""nul""#, r#""-0""#, r#""01""#,
        ],
        Kind::Yaml => &[
            r#""a: 1\nb: [x, \"2\", 3.5]\n""#, r#""- a\n- b: c\n  d: e\n""#, r#""~""#, r#""yes""#, r#""true""#, r#""0x1F""#, r#""1e3""#, r#""'quoted'""#,
            r#""text: |\n  line1\n  line2\n""#, r#""folded: >\n  a\n  b\n""#, r#""a: &x 1\nb: *x\n""#, r#""{a: 1, a: 2}""#, r#""""#, r#""a: b: c""#,
            r#""0o17""#, r#""2026-01-31""#, r#""!!str 5""#, r#""a: null\nb:\n""#, r#""- 1\n- 2.5\n- -3\n""#, r#""1: one""#, r#""base: &b {x: 1}\nc:\n  <<: *b\n  y: 2\n""#,
            r#""---\na: 1\n---\nb: 2\n""#, r#"".inf""#, r#""[a, b""#, r#""\"esc\\u00e9\"""#, r#""off""#, r#""017""#, r#""1_000""#,
        ],
        Kind::Csv => &[
            r#""a,b\n1,2\n3,4\n""#, r#""a,b\n1\n""#, r#""a\n\"x,\"\"y\"\"\"\n""#, r#""""#, r#""a,a\n1,2""#, r#""h\n""#, r#""a,b\r\n1, 2\r\n""#,
            r#""a\n\n1\n""#, r#""a\nx\"y\n""#, r#""a,b\n1,2,3\n""#, r#""a,\n1,2\n""#,
        ],
        Kind::Path => &[
            r#""a/b/c.txt""#, r#""/x/y/""#, r#""file""#, r#""""#, r#"".""#, r#""..""#, r#""/""#, r#""a//b/../c""#, r#""./a""#, r#""a/..""#, r#""../../x""#,
        ],
        Kind::Base => &["10", "16", "2", "8", "36", "62", "63", "1", "0"],
        Kind::Encoding => &[
            r#""UTF-8""#, r#""UTF-16LE""#, r#""UTF-16BE""#, r#""ISO-8859-1""#, r#""windows-1252""#, r#""US-ASCII""#, r#""nope""#, r#""utf-8""#, r#""UTF-16""#,
        ],
        Kind::MapOfLists => &[
            r#"{ a = ["1", "2"], b = ["2"] }"#, "{}", r#"{ a = [] }"#, r#"tomap({ a = ["x"] })"#, r#"{ a = "x" }"#, r#"{ a = [1, true] }"#, r#"{ a = [null] }"#,
            r#"{ z = ["k"], a = ["k"] }"#,
        ],
        Kind::File => &[
            r#""files/a.txt""#, r#""files/none.txt""#, r#""files/latin1.bin""#, r#""files/sub/c.txt""#, r#""files""#, r#""files/../files/a.txt""#,
        ],
    }
}

use Kind::*;

/// Functions, the kinds of a call's arguments, and how many calls are made up.
pub const CALLS: &[(&str, &[Kind], usize)] = &[
    ("abs", &[Number], 14),
    ("alltrue", &[List], 8),
    ("anytrue", &[List], 8),
    ("base64decode", &[Base64], 14),
    ("base64encode", &[Text], 14),
    ("base64sha256", &[Text], 8),
    ("base64sha512", &[Text], 8),
    ("basename", &[Path], 12),
    ("can", &[Anything], 8),
    ("ceil", &[Number], 14),
    ("chomp", &[Text], 14),
    ("chunklist", &[List, Whole], 16),
    ("cidrhost", &[Prefix, Whole], 24),
    ("cidrnetmask", &[Prefix], 14),
    ("cidrsubnet", &[Prefix, Whole, Whole], 30),
    ("cidrsubnets", &[Prefix, Whole, Whole], 20),
    ("coalesce", &[Anything, Anything], 24),
    ("coalesce", &[Text, Text, Text], 10),
    ("coalescelist", &[List, List], 16),
    ("compact", &[Texts], 10),
    ("concat", &[List, List], 20),
    ("concat", &[List], 5),
    ("contains", &[List, Anything], 20),
    ("csvdecode", &[Csv], 20),
    ("dirname", &[Path], 12),
    ("distinct", &[List], 14),
    ("element", &[List, Whole], 24),
    ("endswith", &[Text, Text], 16),
    ("ephemeralasnull", &[Anything], 8),
    ("file", &[File], 10),
    ("filebase64", &[File], 10),
    ("filebase64sha256", &[File], 6),
    ("filebase64sha512", &[File], 6),
    ("fileexists", &[File], 10),
    ("filemd5", &[File], 6),
    ("filesha1", &[File], 6),
    ("filesha256", &[File], 6),
    ("filesha512", &[File], 6),
    ("flatten", &[List], 14),
    ("floor", &[Number], 14),
    ("format", &[Format, Anything], 70),
    ("format", &[Format, Number], 60),
    ("format", &[Format, Text, Text], 20),
    ("formatdate", &[DateFormat, Time], 40),
    ("formatlist", &[Format, List], 24),
    ("formatlist", &[Format, List, Text], 16),
    ("indent", &[Whole, Text], 14),
    ("index", &[List, Anything], 16),
    ("issensitive", &[Anything], 10),
    ("join", &[Separator, Texts], 20),
    ("join", &[Separator, Texts, List], 10),
    ("jsondecode", &[Json], 24),
    ("jsonencode", &[Anything], 24),
    ("jsonencode", &[Text], 10),
    ("jsonencode", &[Number], 12),
    ("keys", &[Map], 14),
    ("length", &[Anything], 20),
    ("length", &[Text], 12),
    ("log", &[Number, Number], 20),
    ("lookup", &[Map, Text, Anything], 24),
    ("lookup", &[Map, Text], 10),
    ("lower", &[Text], 14),
    ("matchkeys", &[List, List, List], 20),
    ("max", &[Number, Number], 16),
    ("md5", &[Text], 8),
    ("merge", &[Map, Map], 24),
    ("merge", &[Map, Map, Map], 8),
    ("min", &[Number, Number], 16),
    ("nonsensitive", &[Anything], 8),
    ("one", &[List], 14),
    ("one", &[Set], 6),
    ("parseint", &[Text, Base], 24),
    ("pow", &[Number, Whole], 20),
    ("range", &[Whole], 8),
    ("range", &[Number, Number], 16),
    ("range", &[Whole, Whole, Number], 16),
    ("regex", &[Pattern, Text], 30),
    ("regexall", &[Pattern, Text], 30),
    ("replace", &[Text, Separator, Text], 16),
    ("replace", &[Text, Pattern, Text], 12),
    ("reverse", &[List], 14),
    ("sensitive", &[Anything], 6),
    ("setintersection", &[Set, Set], 16),
    ("setproduct", &[Set, List], 16),
    ("setsubtract", &[Set, Set], 16),
    ("setunion", &[Set, Set], 16),
    ("sha1", &[Text], 8),
    ("sha256", &[Text], 8),
    ("sha512", &[Text], 6),
    ("signum", &[Number], 12),
    ("slice", &[List, Whole, Whole], 24),
    ("sort", &[Texts], 14),
    ("split", &[Separator, Text], 20),
    ("startswith", &[Text, Text], 16),
    ("strcontains", &[Text, Text], 16),
    ("strrev", &[Text], 14),
    ("substr", &[Text, Whole, Whole], 30),
    ("sum", &[Numbers], 14),
    ("textdecodebase64", &[Base64, Encoding], 16),
    ("textencodebase64", &[Text, Encoding], 20),
    ("timeadd", &[Time, Duration], 36),
    ("timecmp", &[Time, Time], 20),
    ("title", &[Text], 14),
    ("tobool", &[Anything], 14),
    ("tolist", &[Anything], 16),
    ("tomap", &[Anything], 14),
    ("tomap", &[Map], 10),
    ("tonumber", &[Number], 14),
    ("toset", &[List], 14),
    ("tostring", &[Number], 14),
    ("transpose", &[MapOfLists], 12),
    ("trim", &[Text, Text], 16),
    ("trimprefix", &[Text, Text], 14),
    ("trimspace", &[Text], 14),
    ("trimsuffix", &[Text, Text], 14),
    ("try", &[Anything, Anything], 12),
    ("upper", &[Text], 14),
    ("urlencode", &[Text], 16),
    ("uuidv5", &[Text, Text], 6),
    ("values", &[Map], 14),
    ("yamldecode", &[Yaml], 40),
    ("yamlencode", &[Anything], 24),
    ("yamlencode", &[Text], 16),
    ("zipmap", &[Texts, List], 16),
];
