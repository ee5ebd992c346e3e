package spec

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/gocty"
)

// samples are valid values of each attribute, in HCL. The first word of a name is its
// block; attributes of the environment itself have none.
var samples = map[string][]string{
	"ttl":  {`"8h"`, `"90m"`},
	"tags": {`{ team = "data" }`, `{ team = "ops", stage = env_name }`, `{ team = null, more = local.word }`, `{}`},

	"bucket.expire_days": {"7", "30"}, "bucket.versioning": {"true", "false"}, "bucket.force_destroy": {"true", "false"},
	"task_role.s3": {`"full"`, `"none"`}, "task_role.dask": {"true", "false"},
	"task_role.policies":         {`["arn:aws:iam::aws:policy/AmazonSQSFullAccess"]`, `[]`},
	"execution_role.name":        {`"mine-${env_name}"`, `"ours-${local.word}"`},
	"cluster.capacity_providers": {`["FARGATE"]`, `["FARGATE_SPOT"]`},
	"flows.enabled":              {"true", "false"},
	"network.subnets":            {`["subnet-0a1b2c3d"]`, `["subnet-0a1b2c3e", "subnet-0a1b2c3f"]`},
	"logs.name":                  {`"/data/one"`, `"/data/two"`},
	"logs.retention_days":        {"7", "14"},
	"prefect.api_url":            {`"https://prefect.example.com/api"`, `"https://other.example.com/api/"`},
	"prefect.api_key":            {`"key-of-${env_name}"`, `"another-key"`},
	"prefect.api_key_from":       {`"/team/${local.word}"`, `"arn:aws:ssm:us-east-1:123456789012:parameter/key"`},
	"prefect.auth_string":        {`"ada:${local.word}"`, `"bob:another"`},
	"prefect.work_pool":          {`"flows"`, `local.word`},
	"prefect.concurrency_limit":  {"3", "4"},
	"flows.cpu":                  {"1024", "512"},
	"flows.env":                  {`{ LOG = "1" }`, `{ LOG = null, TEAM = local.word }`, `{ LOG = "2" }`},
	"flows.secrets":              {`{ KEY = "arn:aws:ssm:us-east-1:123456789012:parameter/a" }`, `{ KEY = null, WORD = "arn:aws:ssm:us-east-1:123456789012:parameter/${local.word}" }`},
	"flows.spot":                 {"true", "false"},
	"agent.enabled":              {"true", "false"},
	"agent.instance_type":        {`"t3.small"`, `"t3.large"`},
	"agent.work_queues":          {`["etl"]`, `["a", "b"]`},
	"ssh.cidr":                   {`"203.0.113.7/32"`, `"auto"`},
	"ssh.public_key":             {`file("~/.ssh/id_ed25519.pub")`},
	"ssh.key_name":               {`"laptop"`, `local.word`},
	"service.enabled":            {"true", "false"},
	"service.desired_count":      {"0", "2"},
	"service.memory":             {"512", "2048"},
	"service.image":              {`"acme/worker:${env_name}"`, `"ghcr.io/acme/worker:2"`},
	"service.stop_timeout":       {"2", "120"},
}

// inAgent are the blocks that are in the agent block.
var inAgent = []string{"ssh", "service"}

// onInstance are the samples of the agent that are about an instance, and so exclude a service.
func onInstance(name string) bool {
	return name == "agent.instance_type" || strings.HasPrefix(name, "ssh.")
}

// part is a random part of a file: the values of its attributes, and its statements.
type part struct {
	values     map[string]string // "null" is one of them
	statements []string
	blocks     []string // that are there, even if they have no attributes
}

func randomPart(r *rand.Rand, null bool) part {
	p := part{values: map[string]string{}}
	agent := r.IntN(5) // mostly of one kind: both in one part are an error
	for _, name := range slices.Sorted(maps.Keys(samples)) {
		switch n := r.IntN(6); {
		case agent < 2 && onInstance(name), (agent == 2 || agent == 3) && strings.HasPrefix(name, "service."):
		case n == 0 && null:
			p.values[name] = "null"
		case n < 3:
			p.values[name] = samples[name][r.IntN(len(samples[name]))]
		}
	}
	for range r.IntN(3) {
		p.statements = append(p.statements, fmt.Sprintf(`"sqs:Action%d"`, r.IntN(100)))
	}
	return p
}

// blockNames are the names of all blocks of the samples.
func blockNames() (names []string) {
	for _, name := range slices.Sorted(maps.Keys(samples)) {
		if block, _, nested := strings.Cut(name, "."); nested && !slices.Contains(names, block) {
			names = append(names, block)
		}
	}
	return names
}

// has reports whether the part has a block.
func (p part) has(block string) bool {
	if slices.Contains(p.blocks, block) || block == "task_role" && len(p.statements) > 0 {
		return true
	}
	for name := range p.values {
		if strings.HasPrefix(name, block+".") {
			return true
		}
	}
	return block == "agent" && slices.ContainsFunc(inAgent, p.has)
}

// says reports whether the part describes the agent in a way that excludes another one.
func (p part) says(service bool) bool {
	if service {
		return p.has("service") && p.values["service.enabled"] != "false"
	}
	v := p.values["agent.instance_type"]
	return p.has("ssh") || v != "" && v != "null"
}

// without leaves out values and blocks.
func (p part) without(left func(string) bool) part {
	p.values, p.blocks = maps.Clone(p.values), slices.Clone(p.blocks)
	maps.DeleteFunc(p.values, func(name, _ string) bool { return left(name) })
	p.blocks = slices.DeleteFunc(p.blocks, func(b string) bool { return left(b + ".") })
	return p
}

func (p part) text(head string) string {
	var b strings.Builder
	b.WriteString(head + " {\n")
	p.body(&b, "")
	for _, block := range blockNames() {
		if slices.Contains(inAgent, block) || !p.has(block) {
			continue
		}
		b.WriteString(block + " {\n")
		p.body(&b, block)
		if block == "task_role" {
			for _, s := range p.statements {
				fmt.Fprintf(&b, "statement {\nactions = [%s]\nresources = [\"*\"]\n}\n", s)
			}
		}
		for _, inner := range inAgent {
			if block == "agent" && p.has(inner) {
				b.WriteString(inner + " {\n")
				p.body(&b, inner)
				b.WriteString("}\n")
			}
		}
		b.WriteString("}\n")
	}
	return b.String() + "}\n"
}

func (p part) body(b *strings.Builder, block string) {
	for _, name := range slices.Sorted(maps.Keys(p.values)) {
		in, attribute, nested := strings.Cut(name, ".")
		if !nested {
			in, attribute = "", name
		}
		if in == block {
			fmt.Fprintf(b, "%s = %s\n", attribute, p.values[name])
		}
	}
}

// over is what the environment and the defaults say together, by the rules of the
// documentation and not by the code of the loader.
func (p part) over(defaults part) part {
	said := defaults
	if p.says(true) {
		defaults = defaults.without(onInstance)
	}
	if p.says(false) {
		defaults = defaults.without(func(name string) bool { return strings.HasPrefix(name, "service.") })
	}
	all := part{values: maps.Clone(defaults.values), statements: slices.Concat(defaults.statements, p.statements)}
	for _, block := range blockNames() {
		if p.has(block) || defaults.has(block) || block == "agent" && said.has(block) {
			all.blocks = append(all.blocks, block)
		}
	}
	for _, group := range [][]string{{"prefect.api_key", "prefect.auth_string", "prefect.api_key_from"}, {"ssh.public_key", "ssh.key_name"}} {
		for _, name := range group {
			if v := p.values[name]; v != "" && v != "null" {
				for _, other := range group {
					delete(all.values, other)
				}
			}
		}
	}
	for name, v := range p.values {
		weaker := defaults.values[name]
		switch {
		case v == "null":
			delete(all.values, name)
		case (name == "tags" || name == "flows.env" || name == "flows.secrets") && weaker != "" && weaker != "null":
			all.values[name] = "{ for k, v in merge(" + weaker + ", " + v + ") : k => v if v != null }"
		default:
			all.values[name] = v
		}
	}
	// a map that is written once may have elements to leave out, too
	for _, name := range []string{"tags", "flows.env", "flows.secrets"} {
		if v := all.values[name]; strings.Contains(v, "null") && !strings.HasPrefix(v, "{ for") {
			all.values[name] = "{ for k, v in " + v + " : k => v if v != null }"
		}
	}
	for _, block := range []string{"flows", "agent", "service"} {
		if all.values[block+".enabled"] == "false" {
			all = all.without(func(name string) bool {
				in, _, _ := strings.Cut(name, ".")
				return in == block || block == "agent" && slices.Contains(inAgent, in)
			})
		}
	}
	return all
}

const words = "locals { word = \"word-${env_name}\" }\n"

// TestMerge: an environment with defaults is the same as one that says everything itself,
// and as one that says what the merged environment is.
func TestMerge(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	loaded := 0
	for range 600 {
		defaults, env := randomPart(r, false), randomPart(r, true)
		text := words + defaults.text("defaults") + env.text(`environment "dev"`)
		merged, err := environmentIn(text)
		flat := env.over(defaults)
		same, errFlat := environmentIn(words + flat.text(`environment "dev"`))
		if err != nil || errFlat != nil {
			if (err == nil) != (errFlat == nil) {
				t.Fatalf("with defaults: %v; without: %v\n%s\n%s", err, errFlat, text, flat.text(`environment "dev"`))
			}
			continue
		}
		loaded++
		ignore := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Enabled" }, cmp.Ignore())
		empty := cmp.Transformer("empty", func(l []string) []string { return append([]string{}, l...) })
		if diff := cmp.Diff(same, merged, ignore); diff != "" {
			t.Fatalf("-without +with defaults:\n%s\n%s\n%s", diff, text, flat.text(`environment "dev"`))
		}
		again, err := environmentIn(show(t, merged))
		if err != nil {
			t.Fatalf("%v\n%s", err, show(t, merged))
		}
		if diff := cmp.Diff(merged, again, ignore, cmp.FilterPath(func(p cmp.Path) bool { return p.Last().Type() == reflect.TypeFor[[]string]() }, empty)); diff != "" {
			t.Fatalf("-merged +shown and loaded:\n%s\n%s", diff, show(t, merged))
		}
	}
	if loaded < 100 {
		t.Errorf("only %d of the files are valid", loaded)
	}
}

func environmentIn(text string) (*Environment, error) {
	f, err := load(text, Options{})
	if err != nil {
		return nil, err
	}
	return f.Environment(place)
}

// show writes an environment as a file that says everything.
func show(t *testing.T, e *Environment) string {
	t.Helper()
	shown := *e
	role := *e.ExecutionRole
	switch role.Ownership {
	case Shared: // no word of the language: the name says it
		role.Ownership = ""
	case "": // the name is not from the file
		role.Name = ""
	}
	shown.ExecutionRole = &role
	if e.Prefect == nil { // then a flows block would be an error
		shown.Flows = nil
	}
	f := hclwrite.NewEmptyFile()
	showBlock(t, f.Body().AppendNewBlock("environment", []string{e.Name}).Body(), reflect.ValueOf(&shown).Elem())
	return string(f.Bytes())
}

func showBlock(t *testing.T, into *hclwrite.Body, v reflect.Value) {
	t.Helper()
	for _, m := range members(v.Type()) {
		field := v.Field(m.index)
		switch {
		case m.label || m.name == "enabled" || field.IsZero():
		case m.block && field.Kind() == reflect.Slice:
			for i := range field.Len() {
				showBlock(t, into.AppendNewBlock(m.name, nil).Body(), field.Index(i))
			}
		case m.block:
			showBlock(t, into.AppendNewBlock(m.name, nil).Body(), field.Elem())
		default:
			ty, err := gocty.ImpliedType(field.Interface())
			if err != nil {
				t.Fatal(err)
			}
			value, err := gocty.ToCtyValue(field.Interface(), ty)
			if err != nil {
				t.Fatal(err)
			}
			if ty.IsMapType() && value.LengthInt() == 0 {
				value = cty.EmptyObjectVal
			}
			into.SetAttributeValue(m.name, value)
		}
	}
}
