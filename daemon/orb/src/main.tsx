import { render } from "preact";
import { App } from "./app";
import { startClock } from "./data/clock";
import { startSite } from "./data/site";
import { startRouter } from "./router";
import "./style/index.css";

const root = document.getElementById("orb");
if (!root) throw new Error("index.html has no #orb");
startRouter();
startClock();
startSite();
render(<App />, root);
