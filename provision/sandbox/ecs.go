package sandbox

import "time"

// ecsDB is a region's part of ECS.
type ecsDB struct {
	Clusters    map[string]*cluster        `json:"clusters"`    // by name; inactive ones stay
	Tasks       map[string]*task           `json:"tasks"`       // by ARN
	Services    map[string]*service        `json:"services"`    // by ARN
	Definitions map[string]*taskDefinition `json:"definitions"` // by family:revision
}

type cluster struct {
	Name      string            `json:"name"`
	Status    string            `json:"status"`
	Providers []string          `json:"providers"`
	Strategy  []strategyItem    `json:"strategy"`
	Settings  map[string]string `json:"settings"`
	Tags      tags              `json:"tags"`
}

type strategyItem struct {
	Provider string `json:"provider"`
	Weight   int32  `json:"weight"`
	Base     int32  `json:"base"`
}

type task struct {
	ARN        string    `json:"arn"`
	Cluster    string    `json:"cluster"`
	Definition string    `json:"definition"`
	Status     string    `json:"status"`
	Group      string    `json:"group"`
	StartedBy  string    `json:"started_by"`
	Created    time.Time `json:"created"`
	Tags       tags      `json:"tags"`
}

type service struct {
	ARN        string `json:"arn"`
	Name       string `json:"name"`
	Cluster    string `json:"cluster"`
	Definition string `json:"definition"`
	Status     string `json:"status"`
	Desired    int32  `json:"desired"`
	Tags       tags   `json:"tags"`
}

type taskDefinition struct {
	Family   string `json:"family"`
	Revision int32  `json:"revision"`
	Status   string `json:"status"`
	Image    string `json:"image"`
	Tags     tags   `json:"tags"`
}
