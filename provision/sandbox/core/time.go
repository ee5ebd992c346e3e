package core

// passing holds what AsTimePasses registered.
var passing []func(*Request)

// AsTimePasses registers what happens in an account without a call, such as an
// instance that boots. Step brings the account up to date. It runs before each look at
// the account.
//
// What step does must follow from the account and the time alone: it is not saved until
// the next write, and is computed again after loading.
func AsTimePasses(step func(*Request)) { passing = append(passing, step) }

func (a *Account) catchUp() {
	for _, step := range passing {
		step(a.request(""))
	}
}
