package faultproxy

import "regexp"

var (
	groupID     = regexp.MustCompile(`<groupId>(sg-[0-9a-f]+)</groupId>`)
	instanceID  = regexp.MustCompile(`<instanceId>(i-[0-9a-f]+)</instanceId>`)
	interfaceID = regexp.MustCompile(`<networkInterfaceId>(eni-[0-9a-f]+)</networkInterfaceId>`)
)

// learn records the names of the ids in a reply.
func (p *Proxy) learn(operation string, parameter func(string) string, reply []byte) {
	name := parameter("GroupName")
	patterns := []*regexp.Regexp{groupID}
	switch operation {
	case "CreateSecurityGroup":
	case "RunInstances":
		name, patterns = "agent", []*regexp.Regexp{instanceID, interfaceID}
	default:
		return
	}
	for _, r := range patterns {
		if m := r.FindSubmatch(reply); m != nil {
			p.names.Set(string(m[1]), name)
		}
	}
}
