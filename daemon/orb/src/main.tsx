import { render } from "preact";
import { App } from "./app";
import { startRouter } from "./router";
import "./style/base.css";

const root = document.getElementById("orb");
if (!root) throw new Error("index.html has no #orb");
startRouter();
render(<App />, root);
