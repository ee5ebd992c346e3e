package stack

import (
	"testing"

	"github.com/flowbed/flowbed/provision/resource"
)

func TestConsole(t *testing.T) {
	for partition, want := range map[string]string{
		"aws":        "https://r.console.aws.amazon.com/cloudwatch/home?region=r#logsV2:log-groups/log-group/$252Fflowbed$252Fdev",
		"aws-cn":     "https://r.console.amazonaws.cn/cloudwatch/home?region=r#logsV2:log-groups/log-group/$252Fflowbed$252Fdev",
		"aws-us-gov": "https://console.amazonaws-us-gov.com/cloudwatch/home?region=r#logsV2:log-groups/log-group/$252Fflowbed$252Fdev",
	} {
		s := &Stack{id: resource.Identity{Partition: partition, Region: "r"}}
		if have := s.console("/cloudwatch/home", "logsV2:log-groups/log-group/"+twice("/flowbed/dev")); have != want {
			t.Errorf("%s: have %s, want %s", partition, have, want)
		}
	}
}

func TestPrefectPage(t *testing.T) {
	for api, want := range map[string]string{
		"https://api.prefect.cloud/api/accounts/a-1/workspaces/w-2":         "https://app.prefect.cloud/account/a-1/workspace/w-2/work-pools/work-pool/flowbed-dev",
		"https://api.prefect.cloud/api/accounts/a-1/workspaces/w-2/":        "https://app.prefect.cloud/account/a-1/workspace/w-2/work-pools/work-pool/flowbed-dev",
		"https://api.private.prefect.cloud/api/accounts/a-1/workspaces/w-2": "https://app.private.prefect.cloud/account/a-1/workspace/w-2/work-pools/work-pool/flowbed-dev",
		"https://prefect.example.com/api":                                   "https://prefect.example.com/work-pools/work-pool/flowbed-dev",
		"http://10.0.0.1:4200/prefect/api":                                  "http://10.0.0.1:4200/prefect/work-pools/work-pool/flowbed-dev",
		"https://me:secret@prefect.example.com/api":                         "https://prefect.example.com/work-pools/work-pool/flowbed-dev",
		"https://prefect.example.com/other":                                 "",
		"https://api.prefect.cloud/api":                                     "",
		"":                                                                  "",
		"::":                                                                "",
	} {
		if have := prefectPage(api, "flowbed-dev"); have != want {
			t.Errorf("%s: have %q, want %q", api, have, want)
		}
	}
}
