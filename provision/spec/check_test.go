package spec

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
)

// in wraps lines in the block of the path.
func in(path, text string) string {
	for i := strings.Count(path, " "); i >= 0; i-- {
		name := strings.Fields(path)[i]
		labels := ""
		if name == "prefect" {
			labels = agentLabels.FindString(text)
		}
		text = fmt.Sprintf("%s {\n%s\n}", name, strings.Replace(text, labels, "", 1))
		if name == "prefect" && (labels != "" || prefect1.MatchString(text)) {
			text += "\nagent {\n" + labels + "\n}"
		}
		if name == "agent" {
			text += "\n prefect { api_url = \"https://prefect.example.com/api\" }"
		}
	}
	return fmt.Sprintf("environment \"dev\" {\n%s\n}", text)
}

// agentLabels are those that a line of the table has beside what stands in the prefect
// block; prefect1 is a version that cannot do without an agent.
var (
	agentLabels = regexp.MustCompile(`(?m)^\s*labels = .*$`)
	prefect1    = regexp.MustCompile(`version = "[01]\.`)
)

func load(src string, o Options) (*File, error) {
	if o.Environ == nil {
		o.Environ = noEnviron
	}
	o.Home = "testdata/home"
	return newFile(o).load("config.hcl", []byte(src))
}

const (
	key    = `public_key = file("~/.ssh/id_ed25519.pub")`
	server = "prefect {\napi_url = \"https://prefect.example.com/api\""
	// cutOff are a network in which rules cut off the endpoints of ECR, and the blocks before another.
	cutOff = "vpc = \"new\"\nnat = \"single\"\nendpoints = [\"ecr.api\", \"ecr.dkr\"]\negress { cidrs = [\"10.1.0.0/16\", \"52.0.0.0/8\"] }\n}\n"
	cloud  = "https://api.prefect.cloud/api/accounts/0f8fad5b-d9cb-469f-a165-70867728950e/workspaces/7c9e6679-7425-40de-944b-e07fc1f90ae7"
)

var lines = []struct{ path, line, want string }{
	{"bucket", `name = "a-${account}-${region}-an"`, ""},
	{"bucket", `name = "ab"`, "3 to 63"},
	{"bucket", `name = "` + strings.Repeat("a", 38) + `-${account}-${region}-an"`, "3 to 63"},
	{"bucket", `name = "a..b"`, "two dots"},
	{"bucket", `name = "192.168.5.4"`, "IP address"},
	{"bucket", `name = "xn--a"`, "xn--"},
	{"bucket", `name = "sthree-a"`, "sthree-"},
	{"bucket", `name = "amzn-s3-demo-a"`, "amzn-s3-demo-"},
	{"bucket", `name = "a-s3alias"`, "-s3alias"},
	{"bucket", `name = "a--ol-s3"`, "--ol-s3"},
	{"bucket", `name = "a.mrap"`, ".mrap"},
	{"bucket", `name = "a--x-s3"`, "--x-s3"},
	{"bucket", `name = "a--table-s3"`, "--table-s3"},
	{"bucket", `name = "-a"`, "both ends"},
	{"bucket", `name = ""`, "3 to 63"},
	{"bucket", `name = null`, ""},
	{"bucket", `expire_days = -1`, "days that S3 accepts"},
	{"bucket", `expire_days = 3000000000`, "days that S3 accepts"},
	{"bucket", `expire_days = 1e30`, "whole number"},
	{"bucket", `expire_days = "7"`, ""},
	{"bucket", `noncurrent_expire_days = 7`, ""},
	{"bucket", `noncurrent_expire_days = -1`, "days that S3 accepts"},
	{"bucket", "noncurrent_expire_days = 7\nversioning = false", "7 days for old versions need versioning"},
	{"bucket", "noncurrent_expire_days = 0\nversioning = false", ""},
	{"bucket", `access_logs { bucket = "logs" }`, ""},
	{"bucket", "access_logs {\nbucket = \"logs\"\nprefix = \"\"\n}", ""},
	{"bucket", `access_logs {}`, "bucket"},
	{"bucket", `access_logs { bucket = "LOGS" }`, "not a valid bucket name"},
	{"bucket", "name = \"flows-123456789012-us-east-1-an\"\naccess_logs { bucket = \"flows-123456789012-us-east-1-an\" }", "would log each log"},
	{"bucket", `namespace = "Global"`, `did you mean "global"?`},
	{"bucket", `ownership = "adapt"`, `did you mean "adopt"?`},
	{"task_role", `name = "` + strings.Repeat("r", 64) + `"`, ""},
	{"task_role", `name = "` + strings.Repeat("r", 65) + `"`, "64"},
	{"task_role", `name = ""`, "64"},
	{"task_role", `name = "ecstaskexecutionrole"`, "both the task role and the execution role"},
	{"execution_role", `name = "flowbed-dev-task"`, "both the task role and the execution role"},
	{"execution_role", `name = "flowbed-dev-AGENT"`, "agent's role"},
	{"execution_role", `ownership = "adopt"`, ""},
	{"task_role", `policies = ["arn:aws-us-gov:iam::123456789012:policy/team/x"]`, ""},
	{"task_role", `policies = ["arn:aws:iam::12345:policy/x"]`, "not the ARN of a managed policy"},
	{"task_role", `policies = ["arn:aws:iam::aws:role/x"]`, "not the ARN of a managed policy"},
	{"task_role", `statement { resources = ["*"] }`, `needs "actions"`},
	{"cluster", `name = "` + strings.Repeat("c", 256) + `"`, "255"},
	{"cluster", `capacity_providers = []`, "needs a capacity provider"},
	{"cluster", `capacity_providers = ["fargate"]`, "not a Fargate capacity provider"},
	{"repository", `name = "team/flows_2.x"`, ""},
	{"repository", `name = "Flows"`, "lowercase letters and digits"},
	{"repository", `name = "f"`, "2 to 256"},
	{"repository", `name = "flows--x"`, "single dots, hyphens"},
	{"repository", `name = "` + strings.Repeat("r", 257) + `"`, "2 to 256"},
	{"repository", `keep_images = 0`, ""},
	{"repository", `keep_images = -1`, "not a number of images"},
	{"repository", `ownership = "extern"`, `did you mean "external"?`},
	{"task_role", `ecr = "repository"`, "needs a repository block"},
	{"network", `vpc = "vpc-0a1b2c3d4e5f67890"`, ""},
	{"network", `vpc = "vpc-0A1B2C3D"`, "not a VPC id"},
	{"network", `vpc = ""`, "not a VPC id"},
	{"network", `vpc = "new"`, ""},
	{"network", "vpc = \"new\"\ncidr = \"192.168.4.0/24\"\nzones = 3", ""},
	{"network", "vpc = \"new\"\ncidr = \"192.168.4.0/24\"\nprivate = true", "each subnet has 11 addresses, and each of the 12 endpoints takes one"},
	{"network", "vpc = \"new\"\ncidr = \"192.168.4.0/23\"\nprivate = true", ""},
	{"network", "vpc = \"new\"\ncidr = \"192.168.4.0/24\"\nendpoints = [\"s3\", \"ec2\", \"ecr.api\", \"ecr.dkr\", \"ecs\", \"logs\", \"sqs\", \"ssm\", \"sts\", \"ssmmessages\"]", ""},
	{"network", `cidr = "10.0.0.0/16"`, "describes a VPC that flowbed creates"},
	{"network", "vpc = \"default\"\nzones = 3", "describes a VPC that flowbed creates"},
	{"network", "vpc = \"new\"\nsubnets = [\"subnet-0a1b2c3d4e5f67890\"]", "creates the subnets of a new VPC"},
	{"network", "vpc = \"new\"\nsecurity_groups = [\"sg-0a1b2c3d\"]", "is in another VPC"},
	{"network", "vpc = \"new\"\npublic_ip = false", "nat and private decide on public addresses"},
	{"network", "vpc = \"new\"\nnat = \"single\"", ""},
	{"network", "vpc = \"new\"\nprivate = true", ""},
	{"network", "vpc = \"new\"\nprivate = true\nnat = \"none\"\nendpoints = [\"all\"]", ""},
	{"network", "vpc = \"new\"\nendpoints = [\"s3\", \"ecr.api\"]", ""},
	{"network", "vpc = \"new\"\nendpoints = []", ""},
	{"network", "vpc = \"new\"\nendpoints = [\"dynamodb\"]", "is no service for which flowbed creates a VPC endpoint"},
	{"network", "vpc = \"new\"\nendpoints = [\"s3\", \"s3\"]", "twice"},
	{"network", "vpc = \"new\"\nprivate = true\nnat = \"single\"", "but a NAT gateway is one"},
	{"network", "private = true", "describes a VPC that flowbed creates"},
	{"network", "endpoints = [\"s3\"]", "creates none in a VPC of others"},
	{"network", "vpc = \"new\"\nnat = \"perzone\"", "not a valid way out"},
	{"network", "nat = \"single\"", "describes a VPC that flowbed creates"},
	{"network", "vpc = \"new\"\nzones = 7", "not a number of zones from 1 to 6"},
	{"network", "vpc = \"new\"\ncidr = \"10.0.0.0\"", "not a range of IPv4 addresses"},
	{"network", "vpc = \"new\"\ncidr = \"fd00::/16\"", "not a range of IPv4 addresses"},
	{"network", "vpc = \"new\"\ncidr = \"10.0.0.7/16\"", `use "10.0.0.0/16"`},
	{"network", "vpc = \"new\"\ncidr = \"10.0.0.0/8\"", "invalid size"},
	{"network", "vpc = \"new\"\ncidr = \"10.0.0.0/25\"", "invalid size"},
	{"network", "vpc = \"new\"\ncidr = \"8.8.0.0/16\"", "not a private range"},
	{"network", `subnets = ["subnet-0a1b2c3d4e5f6789"]`, "not a subnet id"},
	{"network", `vpc_from = "shared"`, ""},
	{"network", `vpc_from = "Shared"`, "not the name of an environment"},
	{"network", `vpc_from = "dev"`, "this environment itself"},
	{"network", "vpc_from = \"shared\"\nvpc = \"new\"", "remove vpc or vpc_from"},
	{"network", "vpc_from = \"shared\"\nsubnets = [\"subnet-0a1b2c3d\"]", "remove subnets or vpc_from"},
	{"network", "vpc_from = \"shared\"\npublic_ip = true", "remove public_ip or vpc_from"},
	{"network", "vpc_from = \"shared\"\nzones = 2", "describes a VPC that flowbed creates"},
	{"network", `egress { cidrs = ["10.0.0.0/8", "fd00::/8", "203.0.113.7/32"] }`, ""},
	{"network", `egress { ports = [443, 5432] }`, ""},
	{"network", `egress { ports = ["443"] }`, ""},
	{"network", `egress {}`, "narrows nothing"},
	{"network", `egress { enabled = false }`, ""},
	{"network", `egress { ports = 443 }`, `"ports" must be a list of whole numbers, not a number. → put it in brackets`},
	{"network", `egress { ports = [5432] }`, "Without port 443"},
	{"network", "vpc = \"new\"\nendpoints = [\"s3\"]\negress { cidrs = [\"192.168.0.0/16\"] }", ""},
	{"network", "vpc = \"new\"\nendpoints = [\"s3\", \"logs\"]\negress { cidrs = [\"192.168.0.0/16\"] }", `endpoints for logs have addresses in 10.42.0.0/16, to which these ranges let nothing out. → add "10.42.0.0/16"`},
	{"network", "vpc = \"new\"\nprivate = true\negress { cidrs = [\"10.0.0.0/8\"] }", ""},
	{"network", "vpc = \"new\"\nprivate = true\negress { cidrs = [\"10.43.0.0/16\"] }", "endpoints for logs have addresses"},
	{"network", cutOff + "repository {}\n" + server, "endpoints for ecr.api, ecr.dkr have addresses"},
	{"network", cutOff + "flows {\nimage = \"123456789012.dkr.ecr.eu-central-1.amazonaws.com/flow:1\"\n}\n" + server, "endpoints for ecr.api, ecr.dkr have addresses"},
	{"network", cutOff + "flows {\nimage = \"10.1.2.3/flow:1\"\n}\n" + server, ""},
	{"network", cutOff + server, ""},
	{"network", cutOff + "agent {\nlabels = [\"a\"]\n}\nrepository {}\n" + strings.Replace(server, "{", "{\nversion = \"1.4.1\"", 1), ""},
	{"network", `egress { ports = ["https"] }`, `"ports" must be a list of whole numbers`},
	{"network", `egress { ports = [] }`, "nothing but S3"},
	{"network", `egress { cidrs = [] }`, "nothing but S3"},
	{"network", `egress { ports = [0] }`, `"0" is not a port`},
	{"network", `egress { ports = [65536] }`, `"65536" is not a port`},
	{"network", `egress { ports = [443, 443] }`, "twice"},
	{"network", `egress { cidrs = ["10.0.0.5"] }`, `use, for example, "10.0.0.5/32"`},
	{"network", `egress { cidrs = ["10.0.0.5/8"] }`, `use "10.0.0.0/8"`},
	{"network", `egress { cidrs = ["everything"] }`, "not a range of addresses"},
	{"network", `egress { cidrs = ["10.0.0.0/8", "10.0.0.0/8"] }`, "twice"},
	{"network", "security_groups = [\"sg-0a1b2c3d\"]\negress { ports = [443] }", "does not change the groups in security_groups"},
	{"network", "security_groups = [\"sg-0a1b2c3d\"]\negress { enabled = false }", ""},
	{"logs", `name = "/data/flows.x_y-Z9"`, ""},
	{"logs", `name = "/aws/ecs/flows"`, ""},
	{"logs", `name = "aws/flows"`, `do not start it with "aws/", which AWS reserves`},
	{"logs", `name = "/data/my flows"`, "is not a log group that flowbed can create. → use up to 256 letters, digits and the characters _ - / and dot"},
	{"logs", `name = "/data/flows#1"`, "use up to 256 letters"},
	{"logs", `name = "` + strings.Repeat("x", 256) + `"`, ""},
	{"logs", `name = "` + strings.Repeat("x", 257) + `"`, "use up to 256 letters"},
	{"logs", `retention_days = 0`, "shortest time is 1"},
	{"logs", `retention_days = 5000`, "longest time is 3653"},
	{"logs", `retention_days = 365`, ""},
	{"logs", `retention_days = 364`, "180 and 365"},
	{"agent", `instance_type = "m7i-flex.large"`, ""},
	{"agent", `instance_type = "u-6tb1.56xlarge"`, ""},
	{"agent", `instance_type = "T2.micro"`, "not an EC2 instance type"},
	{"agent", `image = "ami-0a1b2c3d4e5f67890"`, ""},
	{"agent", `image = "ami-0a1b"`, "not a valid image"},
	{"agent", `image = "ubuntu"`, "not a valid image"},
	{"agent", `proxy = "http://10.0.0.9:3128"`, ""},
	{"agent", `proxy = "https://[2001:db8::1]:3128"`, ""},
	{"agent", `proxy = "proxy.example.com:3128"`, "not the URL of an HTTP proxy"},
	{"agent", `proxy = "socks5://proxy.example.com:1080"`, "not the URL of an HTTP proxy"},
	{"agent", `proxy = "http://proxy.example.com:99999"`, "not the URL of an HTTP proxy"},
	{"agent", `proxy = "http://proxy.example.com/path?x=$(id)"`, "not the URL of an HTTP proxy"},
	{"agent", `proxy = "http://127.0.0.1:3128"`, "the instance itself"},
	{"agent", `proxy = "http://user@proxy.example.com"`, "by their address"},
	{"agent", `proxy = ""`, "not the URL of an HTTP proxy"},
	{"agent", "proxy = \"http://p\"\n env = { NO_PROXY = \"a;b\" }", "NO_PROXY is a list"},
	{"agent", `env = { NO_PROXY = "a;b" }`, ""},
	{"agent", `pip_index_url = "https://packages.example.com/simple"`, ""},
	{"agent", `pip_index_url = "https://10.0.0.9:8443/root/pypi/+simple/"`, ""},
	{"agent", `pip_index_url = "http://packages.example.com/simple"`, "pip ignores such an index"},
	{"agent", `pip_index_url = "packages.example.com/simple"`, "not the URL of a package index"},
	{"agent", `pip_index_url = "https://packages.example.com/simple?a=$(id)"`, "not the URL of a package index"},
	{"agent", `pip_index_url = "https://packages.example.com/a b"`, "not the URL of a package index"},
	{"agent", `pip_index_url = "https://localhost/simple"`, "the instance itself"},
	{"agent", `pip_index_url = "https://deploy:hunter2@packages.example.com/simple"`, "reads the password from Parameter Store"},
	{"agent", `setup = "yum install -y nfs-utils"`, ""},
	{"agent", `setup = "./setup.sh"`, "not its content"},
	{"agent", `setup = "setup.py"`, "not its content"},
	{"agent", `setup = " \n"`, "is empty"},
	{"agent", `setup = "#!/bin/sh\r\nid\r\n"`, "line ends of Windows"},
	{"agent", `setup = replace("#!/bin/sh\r\nid\r\n", "\r\n", "\n")`, ""},
	{"agent", `setup = "id\u0000"`, "zero byte"},
	{"agent", `setup = file("none.sh")`, "does not exist"},
	{"agent role", "name = \"a\"\n ownership = \"external\"", ""},
	{"agent role", `ownership = "external"`, `needs "name"`},
	{"agent role", `name = "a"`, `set ownership = "external"`},
	{"agent role", `instance_profile = "a"`, `set ownership = "external"`},
	{"agent role", "name = \"FLOWBED-dev-agent\"\n ownership = \"external\"", "what flowbed calls its own"},
	{"agent", "role {\n name = \"a\"\n ownership = \"external\"\n}\n service {}", "makes the role of a service itself"},
	{"agent", "role {\n policies = [\"arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess\"]\n}\n service {}", ""},
	{"agent role", `ownership = "adopt"`, "not a valid ownership"},
	{"agent", `volume_gib = 7`, "8 to 16384"},
	{"agent", `volume_gib = 16385`, "8 to 16384"},
	{"agent", `volume_gib = 16384`, ""},
	{"agent ssh", key, ""},
	{"agent ssh", `public_key = file("~/.ssh/id_rsa.pub")`, ""},
	{"agent ssh", `public_key = file("~/.ssh/id_ecdsa.pub")`, "ecdsa-sha2-nistp256"},
	{"agent ssh", `public_key = file("~/.ssh/two.pub")`, "more than one key"},
	{"agent ssh", `public_key = "command=\"ls\" ${file("~/.ssh/id_ed25519.pub")}"`, "options"},
	{"agent ssh", `public_key = ""`, "not an OpenSSH public key"},
	{"agent ssh", `key_name = "laptop"`, ""},
	{"agent ssh", `key_name = ""`, "1 to 255"},
	{"agent ssh", `key_name = null`, "without a key"},
	{"agent ssh", ``, "without a key"},
	{"agent ssh", key + "\nkey_name = null", ""},
	{"agent ssh", key + "\nkey_name = \"laptop\"", "remove one of them"},
	{"agent ssh", key + "\nkeyname = \"laptop\"", `did you mean "key_name"?`},
	{"prefect", `version = "3.4.7"`, ""},
	{"prefect", `version = "3.4.6"`, "API key into every task"},
	{"prefect", `version = "2.19.0"`, ""},
	{"prefect", `version = "2.18.3"`, "2.19.0 and later"},
	{"prefect", `version = "1.4.1"`, ""},
	{"prefect", `version = "0.14.22"`, ""},
	{"prefect", `version = "1.4.2"`, "0.14.0 to 1.4.1"},
	{"prefect", `version = "0.13.0"`, "0.14.0 to 1.4.1"},
	{"prefect", `version = "4.0.0"`, "newer"},
	{"prefect", `version = "3"`, "not an exact version"},
	{"prefect", `version = ">=3.9.1"`, "not an exact version"},
	{"prefect", `version = "3.9.x"`, "not an exact version"},
	{"prefect", `version = "latest"`, "not an exact version"},
	{"prefect", `version = "3.9.1rc1"`, "not an exact version"},
	{"prefect", `version = "3.09.1"`, "not an exact version"},
	{"prefect", `version = ""`, "not an exact version"},
	{"prefect", `work_pool = "` + strings.Repeat("p", 211) + `"`, "210"},
	{"prefect", `work_pool = "a.b"`, "work pool"},
	{"prefect", `work_pool = "Prefect-pool"`, "for its own pools"},
	{"prefect", `api_key = env("KEY")`, ""},
	{"prefect", `api_key = trimspace(env("BROKEN"))`, ""},
	{"prefect", `api_key = env("BROKEN")`, "trimspace"},
	{"prefect", `api_key = "${env("KEY")} x"`, "cannot be a key"},
	{"prefect", `api_key = "${env("KEY")}}}"`, "SSM cannot store"},
	{"prefect", `api_key = env("")`, "is not set"},
	{"prefect", `concurrency_limit = 5`, ""},
	{"prefect", `concurrency_limit = 0`, "no flow would ever run"},
	{"prefect", `concurrency_limit = "many"`, "a whole number, and this string is not one"},
	{"prefect", `concurrency_limit = 1.5`, "a whole number."},
	{"prefect", `events = true`, ""},
	{"prefect", `events = false`, ""},
	{"prefect", `events = null`, ""},
	{"prefect", `events = "soon"`, "true or false"},
	{"prefect", "version = \"2.20.3\"\n events = true", "Prefect 3"},
	{"prefect", "version = \"2.20.3\"\n events = false", ""},
	{"prefect", "version = \"1.4.1\"\n events = true", "Only the worker of Prefect 3"},
	{"prefect", "version = \"1.4.1\"\n events = false", ""},
	{"prefect", `labels = ["a"]`, "Only Prefect 1 has labels"},
	{"prefect", "version = \"2.20.3\"\n labels = []", "Only Prefect 1 has labels"},
	{"prefect", "version = \"1.4.1\"\n labels = [\"fargate-dev\", \"s3-flow-storage\"]", ""},
	{"prefect", "version = \"1.4.1\"\n labels = [\"a\", \"a\"]", "twice"},
	{"prefect", "version = \"1.4.1\"\n labels = [\"\"]", "is empty"},
	{"prefect", "version = \"1.4.1\"\n labels = \"prod\"", "in brackets"},
	{"prefect", "version = \"1.4.1\"\n labels = null\n work_pool = null", ""},
	{"prefect", "version = \"0.14.22\"\n work_pool = \"a\"", "no work pools"},
	{"prefect", "version = \"1.4.1\"\n concurrency_limit = 1", "applies to a work pool"},
	{"prefect", "version = \"1.4.1\"\n auth_string = env(\"AUTH\")", "does not support auth_string"},
	{"prefect", "version = \"1.4.1\"\n api_key = env(\"KEY\")", ""},
	{"prefect", "version = \"1.4.1\"\n api_key = env(\"KEY\")\n api_url = \"" + cloud + `"`, "does not support Prefect 1"},
	{"prefect", `auth_string = env("AUTH")`, ""},
	{"prefect", `auth_string = ""`, ""},
	{"prefect", `auth_string = env("KEY")`, "not user:password"},
	{"prefect", `auth_string = "${env("AUTH")} "`, "trimspace"},
	{"prefect", `auth_string = "${env("AUTH")}\tx"`, "control character"},
	{"prefect", `auth_string = "${env("AUTH")}}}"`, "SSM cannot store"},
	{"prefect", "auth_string = env(\"AUTH\")\n api_key = env(\"KEY\")", "remove one of them"},
	{"prefect", "auth_string = env(\"AUTH\")\n api_url = \"" + cloud + `"`, "use api_key"},
	{"prefect", `ca_file = file("~/.ssh/ca.pem")`, ""},
	{"prefect", `ca_file = "ca.pem"`, `ca_file = file("ca.pem")`},
	{"prefect", `ca_file = file("~/.ssh/id_ed25519.pub")`, "not a PEM certificate"},
	{"prefect", `ca_file = "-----BEGIN PRIVATE KEY-----"`, "must not leave"},
	{"prefect", `ca_file = "${file("~/.ssh/ca.pem")}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"`, "not a certificate"},
	{"task_role", `dask = true`, ""},
	{"prefect", `api_url = ""`, "not an absolute URL"},
	{"prefect", `api_url = "ftp://prefect.example.com/api"`, "not an absolute URL"},
	{"prefect", `api_url = "https:///api"`, "not an absolute URL"},
	{"prefect", `api_url = "https://a:b@prefect.example.com/api"`, "user name or a password"},
	{"prefect", `api_url = "https://prefect.example.com/api?x=1"`, "after its path"},
	{"prefect", "api_key = env(\"KEY\")\n api_url = \"" + cloud + `"`, ""},
	{"prefect", "api_key = \"\"\n api_url = \"" + cloud + `"`, "Prefect Cloud requires one"},
	{"prefect", `api_url = "` + cloud + `"`, "requires an API key"},
	{"prefect", "api_key = env(\"KEY\")\n api_url = \"https://api.prefect.cloud/api\"", "account and workspace"},
	{"prefect", "api_key = env(\"KEY\")\n api_url = \"" + strings.Replace(cloud, "api.", "api-internal.private.", 1) + `"`, ""},
	{"prefect", "api_key = env(\"KEY\")\n api_url = \"https://app.private.prefect.cloud/account/0f8fad5b-d9cb-469f-a165-70867728950e/workspace/7c9e6679-7425-40de-944b-e07fc1f90ae7\"", "use: https://api.private.prefect.cloud/api/accounts/0f8fad5b"},
	{"prefect", "api_key = env(\"KEY\")\n api_url = \"" + strings.Replace(cloud, "api.", "other.", 1) + `"`, "account and workspace"},
}

// TestOne gives each line to its block. It is right if want is empty, and else
// wrong in one way, at that line, which want is a part of.
func TestOne(t *testing.T) {
	for _, c := range lines {
		t.Run(c.path+" "+c.line, func(t *testing.T) {
			line := c.line
			if c.path == "prefect" && !strings.Contains(line, "api_url") {
				line += "\n api_url = \"https://prefect.example.com/api\""
			}
			environ := map[string]string{"KEY": "pnu_0123456789abcdef", "BROKEN": "pnu_0123456789abcdef\n", "AUTH": "flow:bed-bed-bed"}
			o := Options{Environ: func(n string) (string, bool) { v, ok := environ[n]; return v, ok }}
			_, err := load(in(c.path, line), o)
			expect(t, err, c.want)
		})
	}
}

// TestClosedSubnets checks which endpoints a new VPC without a way out lacks.
func TestClosedSubnets(t *testing.T) {
	const image = "flows {\nimage = %q\n}\n"
	for _, c := range []struct{ endpoints, rest, want string }{
		{`"s3"`, "", "for ecr.api, ecr.dkr, logs, no task starts: it can neither pull its image nor write its log. → add them"},
		{`"logs", "s3"`, "", "for ecr.api, ecr.dkr, no task starts: it cannot pull its image. → add them"},
		{`"ecr.api", "ecr.dkr", "s3"`, "repository {}\n" + server + "\n}", "for logs, no task starts: it cannot write its log."},
		{`"logs", "s3"`, server + "\n}", "it cannot pull its image"},
		{`"logs", "s3"`, fmt.Sprintf(image, "ghcr.io/acme/flow:1") + server + "\n}", "it cannot pull its image"},
		{`"logs", "s3"`, fmt.Sprintf(image, "registry.example.com/flow:1") + server + "\n}", ""},
		{`"s3"`, fmt.Sprintf(image, "registry.example.com/flow:1") + server + "\n}", "for logs, no task starts"},
		{`"all"`, "", ""},
	} {
		f, err := load("environment \"dev\" {\nnetwork {\nvpc = \"new\"\nprivate = true\nendpoints = ["+c.endpoints+"]\n}\n"+c.rest+"\n}", Options{})
		if err != nil {
			t.Fatal(err)
		}
		have := ""
		for _, w := range f.Warnings {
			have += w.Detail + "\n"
		}
		if !strings.Contains(have, c.want) || c.want == "" && have != "" {
			t.Errorf("%s %s: have %q, want %q", c.endpoints, c.rest, have, c.want)
		}
	}
}

func expect(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Fatalf("have an error: %v", err)
		}
		return
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("have no error, want %q", want)
	}
	problems := slices.DeleteFunc(slices.Clone(e.Diags), func(d *hcl.Diagnostic) bool { return d.Severity != hcl.DiagError })
	if len(problems) != 1 || !strings.Contains(problems[0].Detail, want) || problems[0].Subject == nil {
		t.Errorf("have %v, want one error with %q", err, want)
	}
}

func TestCIDR(t *testing.T) {
	for cidr, want := range map[string]string{
		"auto": "auto", "203.0.113.7/32": "203.0.113.7/32", "203.0.113.9/24": "203.0.113.0/24", "10.0.0.0/8": "10.0.0.0/8",
		"2001:DB8:0:0::1/64": "2001:db8::/64", "2001:db8::/12": "2000::/12",
		"0.0.0.0/0": "!world", "203.0.113.7/3": "!world", "1.0.0.0/7": "!world", "::/0": "!world", "2000::/3": "!world",
		"203.0.113.7": "!203.0.113.7/32", "2001:db8::1": "!2001:db8::1/128", "fe80::1%eth0": "!not an address range",
		"203.0.113.7/33": "!not an address range", "": "!not an address range", "here": "!not an address range", "::ffff:203.0.113.7/128": "!as IPv4",
	} {
		t.Run(cidr, func(t *testing.T) {
			f, err := load(in("agent ssh", fmt.Sprintf("cidr = %q\n%s", cidr, key)), Options{})
			if problem, bad := strings.CutPrefix(want, "!"); bad {
				expect(t, err, problem)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			e, err := f.Environment(Place{"123456789012", "us-east-1"})
			if err != nil || e.Agent.SSH.CIDR != want {
				t.Errorf("have %v, %v; want %s", e.Agent.SSH.CIDR, err, want)
			}
		})
	}
	t.Run("allowed", func(t *testing.T) {
		_, err := load(in("agent ssh", "cidr = \"0.0.0.0/0\"\nallow_world = true\n"+key), Options{})
		expect(t, err, "")
	})
}

func TestTags(t *testing.T) {
	for n, want := range map[int]string{maxTags: "", maxTags + 1: "32"} {
		_, err := load(fmt.Sprintf(`environment "dev" { tags = { for i in range(%d) : "tag${i}" => i } }`, n), Options{})
		expect(t, err, want)
	}
	for tag, want := range map[string]string{
		`"Größe" = "1 µm"`: "", `a = ""`: "", `"Flowbed:x" = "y"`: "flowbed:",
		`name = "x"`: "only in case", `Name = "x"`: "", `Team = 1, team = 2`: "only in case",
		fmt.Sprintf("%q = 1", strings.Repeat("k", 129)): "more than 128",
		fmt.Sprintf("k = %q", strings.Repeat("ä", 256)): "",
		fmt.Sprintf("k = %q", strings.Repeat("v", 257)): "more than 256",
	} {
		_, err := load("environment \"dev\" { tags = { "+tag+" } }", Options{})
		expect(t, err, want)
	}
}

func TestEnvironmentNames(t *testing.T) {
	for name, good := range map[string]bool{
		"a": true, "dev-2": true, strings.Repeat("a", 32): true, strings.Repeat("a", 33): false,
		"2dev": false, "Dev": false, "a_b": false, "": false, "ä": false, "a\n": false,
	} {
		_, err := load(fmt.Sprintf("environment %q {}", name), Options{})
		if (err == nil) != good {
			t.Errorf("%q: have %v", name, err)
		}
		if _, bare := Bare(name, Options{}); (bare == nil) != good {
			t.Errorf("Bare(%q): have %v", name, bare)
		}
	}
}
