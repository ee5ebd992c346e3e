package stack

import (
	"net/url"
	"strings"
)

// console is a page of AWS's console in the environment's region. path begins with a slash.
// https://docs.aws.amazon.com/awsconsolehelpdocs/latest/gsg/select-region.html
func (s *Stack) console(path, fragment string) string {
	region := s.id.Region
	host := map[string]string{
		"aws-cn": region + ".console.amazonaws.cn", "aws-us-gov": "console.amazonaws-us-gov.com",
	}[s.id.Partition]
	if host == "" {
		host = region + ".console.aws.amazon.com"
	}
	u := "https://" + host + path + "?region=" + region
	if fragment != "" {
		u += "#" + fragment
	}
	return u
}

// urls are the pages about the objects that the last reading found.
func (s *Stack) urls() (list []Output) {
	add := func(name string, there bool, u string) {
		if there {
			list = append(list, Output{Name: name, Value: u})
		}
	}
	cluster, there := s.cluster.Get()
	add("cluster_url", there && cluster.ARN != "", s.console("/ecs/v2/clusters/"+url.PathEscape(s.env.Cluster.Name)+"/tasks", ""))
	logs, there := s.logs.Get()
	add("log_url", there && logs.Name != "", s.console("/cloudwatch/home", "logsV2:log-groups/log-group/"+twice(logs.Name)))
	bucket, there := s.bucket.Get()
	add("bucket_url", there && bucket.Name != "", s.console("/s3/buckets/"+url.PathEscape(bucket.Name), ""))
	agent, there := s.agent.Get()
	add("instance_url", there && agent.ID != "", s.console("/ec2/home", "InstanceDetails:instanceId="+agent.ID))
	service, there := s.service.Get()
	add("service_url", there && service.Status == "ACTIVE",
		s.console("/ecs/v2/clusters/"+url.PathEscape(s.env.Cluster.Name)+"/services/"+url.PathEscape(service.Name)+"/health", ""))
	return list
}

// twice is a name as the console of CloudWatch has it in its URLs: escaped twice, with $ for the
// percent sign.
func twice(name string) string {
	return strings.ReplaceAll(url.QueryEscape(url.QueryEscape(name)), "%", "$")
}

// prefectPage is the page of the work pool in Prefect's own pages; empty if the API's URL tells
// nothing about those. Prefect derives them in the same way, in prefect/utilities/urls.py and
// prefect/settings.
func prefectPage(api, pool string) string {
	u, err := url.Parse(api)
	if err != nil || u.Host == "" {
		return ""
	}
	path, ok := strings.CutSuffix(strings.TrimRight(u.Path, "/"), "/api")
	if rest, is := strings.CutPrefix(u.Host, "api"); is && strings.HasSuffix(rest, ".prefect.cloud") {
		parts := strings.Split(strings.Trim(u.Path, "/"), "/")
		if ok = len(parts) == 5 && parts[1] == "accounts" && parts[3] == "workspaces"; ok {
			u.Host, path = "app"+rest, "/account/"+parts[2]+"/workspace/"+parts[4]
		}
	}
	if !ok {
		return ""
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host}).String() + path + "/work-pools/work-pool/" + url.PathEscape(pool)
}
